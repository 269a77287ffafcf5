// Random Python values for property tests, of every kind that Beaker's rows hold.

import fc from 'fast-check'
import { PythonTuple, type PythonValue } from '../../../src/session/codecs/python-value.js'

/** Any string of UTF-16, lone surrogates, control characters and the notorious names included. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'save', 'cookie', '0', '10', ''),
)

const scalar: fc.Arbitrary<PythonValue> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.bigInt({ min: -300n, max: 70_000n }),
  fc.double(),
  anyText,
  fc.uint8Array({ maxLength: 8 }),
)

/** What Python takes as a key of a dict. */
export const hashable: fc.Arbitrary<PythonValue> = fc.oneof(
  { weight: 5, arbitrary: anyText },
  { weight: 1, arbitrary: fc.bigInt({ min: -5n, max: 2n ** 65n }) },
  { weight: 1, arbitrary: fc.constantFrom<PythonValue>(null, 1.5, -2.25) },
)

export const pythonValue: fc.Arbitrary<PythonValue> = fc.letrec<{ value: PythonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(tie('value'), { maxLength: 5 }).map((items) => new PythonTuple(items)),
    fc.array(fc.tuple(hashable, tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
  ),
})).value
