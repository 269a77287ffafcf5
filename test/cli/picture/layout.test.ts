import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compose } from '../../../src/cli/picture/compose.js'
import { type Box, layOut } from '../../../src/cli/picture/layout.js'
import type { Node } from '../../../src/loader.js'

const drawn = (...roots: Node[]) => layOut(compose(roots, (file) => file))

function node(given: Partial<Node> & Pick<Node, 'shape' | 'name'>): Node {
  return {
    kind: given.shape === 'server' || given.shape === 'filter' ? given.shape : 'app',
    use: given.shape === 'pipeline' ? undefined : 'file:./a.js',
    place: { file: 'app.ini', line: 1 },
    settings: [],
    role: 'main',
    children: [],
    ...given,
  }
}

const app = (name: string, role = '/') => node({ shape: 'app', name, role })
const composite = (...children: Node[]) => node({ shape: 'composite', name: 'c', children })
const titles = (boxes: readonly Box[]) => boxes.map(({ title }) => title)

describe('the picture', () => {
  test('has what a request meets from top to bottom, and mounts to the right with their keys', () => {
    const filter = node({ shape: 'filter', name: 'f' })
    const pipeline = node({
      shape: 'pipeline',
      name: 'p',
      children: [filter, composite(app('a', '/a'), app('b', '/b'))],
    })
    const { boxes, labels } = drawn(node({ shape: 'server', name: 's' }), pipeline)
    expect(titles(boxes)).toEqual([
      '[server:s]',
      '[pipeline:p]',
      '[filter:f]',
      '[composite:c]',
      '[app:a]',
      '[app:b]',
    ])
    expect(new Set(boxes.slice(0, 4).map(({ x }) => x)).size).toBe(1)
    expect(boxes.slice(0, 4).map(({ y }) => y)).toEqual(
      boxes
        .slice(0, 4)
        .map(({ y }) => y)
        .sort((a, b) => a - b),
    )
    expect(boxes[4]!.x).toBeGreaterThan(boxes[3]!.x + boxes[3]!.width)
    expect(labels.map(({ text }) => text)).toEqual(['/a', '/b'])
  })

  test('draws what two mounts share once, with both keys', () => {
    const shared = app('a', '/a')
    const again = { ...shared, role: '/b' } // as the loader does it: the same list of children
    const { boxes, labels } = drawn(composite(shared, app('x', '/x'), again))
    expect(titles(boxes)).toEqual(['[composite:c]', '[app:a]', '[app:x]'])
    expect(labels.map(({ text }) => text)).toEqual(['/a', '/b', '/x'])
  })

  test('refers to what another composite has drawn, but has a filter in each of its places', () => {
    const shared = app('a')
    const filter = node({ shape: 'filter', name: 'f' })
    const pipeline = (name: string) => node({ shape: 'pipeline', name, children: [filter, shared] })
    const first = pipeline('p')
    const again = { ...first, children: [...first.children] } // as the loader does it: of the same parts
    const { boxes } = drawn(composite(first, composite(pipeline('q'), again)))
    expect(titles(boxes)).toEqual([
      '[composite:c]',
      '[pipeline:p]',
      '[filter:f]',
      '[app:a]',
      '[composite:c]',
      '[pipeline:q]',
      '[filter:f]',
      '↪ [app:a]',
      '↪ [pipeline:p]',
    ])
  })

  test('says of what could not be made that it could not', () => {
    const { boxes } = drawn(node({ shape: 'app', name: 'gone', use: undefined }))
    expect(boxes[0]).toMatchObject({ use: 'could not be made', card: { tone: 'broken' } })
  })

  test('has a line for each of many mounts', () => {
    const { boxes } = drawn(
      composite(...Array.from({ length: 500 }, (_, index) => app(`a${index}`, `/${index}`))),
    )
    expect(new Set(boxes.slice(1).map(({ height }) => height))).toEqual(new Set([28]))
  })

  test('takes a pipeline in a pipeline, ten thousand times', () => {
    let inner = app('a')
    for (let index = 0; index < 10_000; index++)
      inner = node({ shape: 'pipeline', name: `p${index}`, children: [inner] })
    expect(drawn(inner).boxes).toHaveLength(10_001)
  })

  test('lays nothing over anything else, and nothing outside', () => {
    const { tree } = fc.letrec<{ tree: Node }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5, depthSize: 'large' },
        fc.string().map((name) => app(name)),
        fc
          .record({
            shape: fc.constantFrom('composite', 'pipeline', 'filter-app', 'filter'),
            name: fc.string({ maxLength: 60 }),
            role: fc.string({ maxLength: 50 }),
            children: fc.array(tie('tree'), { minLength: 1, maxLength: 12 }),
          })
          .map((given) => node(given)),
      ),
    }))
    fc.assert(
      fc.property(tree, (root) => {
        const { boxes, labels, width, height } = drawn(node({ shape: 'server', name: 's' }), root)
        const areas = [...boxes, ...labels.map((label) => ({ ...label, y: label.y - 9, height: 18 }))].sort(
          (a, b) => a.y - b.y,
        )
        for (const [index, one] of areas.entries()) {
          expect(one.x >= 0 && one.y >= 0 && one.x + one.width <= width && one.y + one.height <= height).toBe(
            true,
          )
          for (let next = index + 1; next < areas.length && areas[next]!.y < one.y + one.height; next++) {
            const other = areas[next]!
            expect(other.x >= one.x + one.width || one.x >= other.x + other.width).toBe(true)
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})
