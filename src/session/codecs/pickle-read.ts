// Pickles, protocols 0 to 5, read as data. Nothing is ever imported, called or built: what would run code becomes a
// PythonObject that knows its name and nothing else. Memory and time grow with the bytes, not with what they claim.

import { CorruptSession } from '../codec.js'
import { readAtom } from './pickle-atoms.js'
import { PickleBytes } from './pickle-bytes.js'
import { decodeInt, decodeText } from './pickle-text.js'
import { MAX_VALUES, PythonObject, PythonTuple, type PythonValue } from './python-value.js'

const HIGHEST_PROTOCOL = 5

/**
 * The value of a pickle; bytes behind its end are ignored, as Python does. It may hold PythonObjects and refer to
 * itself: findForeign tells. Throws CorruptSession for bytes that Python couldn't read either.
 */
export function readPickle(bytes: Uint8Array): PythonValue {
  return new PickleReader(bytes).read()
}

class PickleReader {
  readonly #in: PickleBytes
  readonly #stack: PythonValue[] = []
  /** Heights of the stack where a MARK was set. */
  readonly #marks: number[] = []
  readonly #memo = new Map<number, PythonValue>()
  #pushed = 0

  constructor(bytes: Uint8Array) {
    this.#in = new PickleBytes(bytes)
  }

  read(): PythonValue {
    for (let opcode = this.#in.byte(); opcode !== 0x2e; opcode = this.#in.byte()) this.#step(opcode)
    return this.#pop()
  }

  /** Does one opcode. Their names are those of Python's pickletools. */
  #step(opcode: number): void {
    const bytes = this.#in
    const atom = readAtom(opcode, bytes)
    if (atom !== undefined) {
      this.#push(atom)
      return
    }
    switch (opcode) {
      case 0x80: // PROTO
        if (bytes.byte() > HIGHEST_PROTOCOL) throw new CorruptSession('a pickle protocol beyond 5')
        break
      case 0x95: // FRAME
        bytes.size()
        break
      case 0x28: // MARK
        if (this.#marks.push(this.#stack.length) > MAX_VALUES) throw tooMuch()
        break
      case 0x30: // POP
        if (this.#stack.length === this.#marks.at(-1)) this.#marks.pop()
        else this.#pop()
        break
      case 0x31: // POP_MARK
        this.#popMark()
        break
      case 0x32: // DUP
        this.#push(this.#top())
        break

      case 0x70: // PUT
        this.#put(decodeInt(bytes.line()))
        break
      case 0x71: // BINPUT
        this.#put(bytes.byte())
        break
      case 0x72: // LONG_BINPUT
        this.#put(bytes.long())
        break
      case 0x94: // MEMOIZE
        this.#put(this.#memo.size)
        break
      case 0x67: // GET
        this.#get(decodeInt(bytes.line()))
        break
      case 0x68: // BINGET
        this.#get(bytes.byte())
        break
      case 0x6a: // LONG_BINGET
        this.#get(bytes.long())
        break

      case 0x64: {
        // DICT
        const members = this.#popMark()
        this.#push(new Map())
        this.#setItems(members)
        break
      }
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2))
        break
      case 0x75: // SETITEMS
        this.#setItems(this.#popMark())
        break
      case 0x6c: // LIST
        this.#push(this.#popMark())
        break
      case 0x61: // APPEND
        this.#append(this.#popMany(1))
        break
      case 0x65: // APPENDS
        this.#append(this.#popMark())
        break
      case 0x74: // TUPLE
        this.#push(new PythonTuple(this.#popMark()))
        break
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#push(new PythonTuple(this.#popMany(opcode - 0x84)))
        break
      default:
        this.#push(this.#object(opcode))
    }
  }

  /** The opcodes that would import, call or build: only their effect on the stack takes place. */
  #object(opcode: number): PythonValue {
    const bytes = this.#in
    switch (opcode) {
      case 0x63: // GLOBAL
        return named(decodeText(bytes.line()), decodeText(bytes.line()))
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2)
        return named(module, name)
      }
      case 0x69: // INST
        this.#popMark()
        return named(decodeText(bytes.line()), decodeText(bytes.line()))
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callable, args] = this.#popMany(2)
        return madeBy(callable, args)
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callable, args] = this.#popMany(3)
        return madeBy(callable, args)
      }
      case 0x6f: {
        // OBJ
        const [callable, ...args] = this.#popMark()
        return madeBy(callable, new PythonTuple(args))
      }
      case 0x62: // BUILD
        this.#pop()
        return this.#popObject()
      case 0x90: // ADDITEMS
        this.#popMark()
        return this.#popObject()
      case 0x98: // READONLY_BUFFER
        return this.#popObject()
      case 0x8f: // EMPTY_SET
        return new PythonObject('builtins.set')
      case 0x91: // FROZENSET
        this.#popMark()
        return new PythonObject('builtins.frozenset')
      case 0x96: // BYTEARRAY8
        bytes.take(bytes.size())
        return new PythonObject('builtins.bytearray')
      case 0x97: // NEXT_BUFFER
        return new PythonObject('an out-of-band buffer')
      case 0x50: // PERSID
        bytes.line()
        return new PythonObject('a persistent reference')
      case 0x51: // BINPERSID
        this.#pop()
        return new PythonObject('a persistent reference')
      case 0x82: // EXT1
      case 0x83: // EXT2
      case 0x84: // EXT4
        bytes.take(2 ** (opcode - 0x82))
        return new PythonObject('a class of the copyreg extension registry')
      default:
        throw new CorruptSession('a byte that is no pickle opcode')
    }
  }

  #push(value: PythonValue): void {
    if (++this.#pushed > MAX_VALUES) throw tooMuch()
    this.#stack.push(value)
  }

  /** Checks that there are `count` values above the last mark. */
  #need(count: number): void {
    if (this.#stack.length - (this.#marks.at(-1) ?? 0) < count) {
      throw new CorruptSession('a pickle that takes more than it put')
    }
  }

  #top(): PythonValue {
    this.#need(1)
    return this.#stack.at(-1) as PythonValue
  }

  #pop(): PythonValue {
    this.#need(1)
    return this.#stack.pop() as PythonValue
  }

  #popMany(count: number): PythonValue[] {
    this.#need(count)
    return this.#stack.splice(-count)
  }

  #popMark(): PythonValue[] {
    const mark = this.#marks.pop()
    if (mark === undefined) throw new CorruptSession('a pickle that takes more than it put')
    return this.#stack.splice(mark)
  }

  #put(index: PythonValue): void {
    if (this.#memo.set(Number(index), this.#top()).size > MAX_VALUES) throw tooMuch()
  }

  #get(index: PythonValue): void {
    const value = this.#memo.get(Number(index))
    if (value === undefined) throw new CorruptSession('a pickle that refers to what is not there')
    this.#push(value)
  }

  #append(items: readonly PythonValue[]): void {
    const list = this.#top()
    if (Array.isArray(list)) for (const item of items) list.push(item)
    else if (!(list instanceof PythonObject)) throw new CorruptSession('a pickle that appends to no list')
  }

  #setItems(members: readonly PythonValue[]): void {
    const dict = this.#top()
    if (members.length % 2 !== 0) throw new CorruptSession('a pickled dict with a key without value')
    if (dict instanceof PythonObject) return
    if (!(dict instanceof Map)) throw new CorruptSession('a pickle that sets items of no dict')
    for (let at = 0; at + 1 < members.length; at += 2) {
      dict.set(members[at] as PythonValue, members[at + 1] as PythonValue)
    }
  }

  #popObject(): PythonObject {
    const object = this.#pop()
    if (!(object instanceof PythonObject)) throw new CorruptSession('a pickle that builds on plain data')
    return object
  }
}

function tooMuch(): CorruptSession {
  return new CorruptSession(`more than ${MAX_VALUES} values`)
}

/** Python 3 reads the names of Python 2. */
const RENAMED: Readonly<Record<string, string>> = { __builtin__: 'builtins', copy_reg: 'copyreg' }

function named(module: PythonValue | undefined, name: PythonValue | undefined): PythonObject {
  const full = `${typeof module === 'string' ? (RENAMED[module] ?? module) : ''}.${String(name)}`
  if (typeof name !== 'string' || !/^[\p{L}\p{N}_.<>]{3,200}$/u.test(full)) {
    throw new CorruptSession('a pickle that names what can not be imported')
  }
  return new PythonObject(full)
}

/**
 * What a call would make. bytes alone is data: protocols 0 to 2 write it as a call of `_codecs.encode` or `bytes`, and
 * it is these exact arguments that are read, no function that is called.
 */
function madeBy(callable: PythonValue | undefined, args: PythonValue | undefined): PythonValue {
  if (!(callable instanceof PythonObject) || !(args instanceof PythonTuple)) {
    throw new CorruptSession('a pickle that calls what is no function')
  }
  const [first, second] = args.items
  if (callable.name === '_codecs.encode' && args.items.length === 2 && typeof first === 'string') {
    if (second === 'latin1' && !/[^\x00-\xff]/.test(first))
      return Uint8Array.from(Buffer.from(first, 'latin1'))
  }
  if (callable.name === 'builtins.bytes' && args.items.length === 0) return new Uint8Array()
  // Where copyreg builds an instance, the class is what one wants to know.
  return first instanceof PythonObject && callable.name.startsWith('copyreg.') ? first : callable
}
