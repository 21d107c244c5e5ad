import { afterEach, expect, test, vi } from 'vitest'
import { together, union } from './together'

afterEach(() => vi.unstubAllGlobals())

const vector = (rows: [Record<string, string>, string][]) => ({ status: 'success', data: { resultType: 'vector', result: rows.map(([metric, value]) => ({ metric, value: [1, value] })) } })

/** A server that answers by what the query says; a number refuses with that status. */
function serve(answer: (query: string) => object | number) {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string) => {
    const query = new URL(url, 'http://x').searchParams.get('query')!
    asked.push(query)
    const body = answer(query)
    return typeof body === 'number' ? new Response(JSON.stringify({ status: 'error', error: 'no' }), { status: body }) : new Response(JSON.stringify(body))
  })
  return asked
}

test('a question of several names which answer is whose', () => {
  expect(union([['a', 'up'], ['b', '1 - x']])).toBe('label_replace((up), "__asked__", "a", "", "")\nor label_replace((1 - x), "__asked__", "b", "", "")')
})

test('several questions are one request, and the mark is taken off again', async () => {
  const asked = serve(() => vector([[{ __asked__: 'a', i: '1' }, '3'], [{ __asked__: 'b' }, '4'], [{ __asked__: 'a', i: '2' }, '5']]))
  const found = await together({ a: 'x', b: 'y', c: null }, 1000)
  expect(asked).toHaveLength(1)
  expect(found.get('a')?.map((p) => [p.labels, p.value])).toEqual([[{ i: '1' }, 3], [{ i: '2' }, 5]])
  expect(found.get('b')?.map((p) => p.value)).toEqual([4])
  expect(found.get('c')).toBeUndefined()
})

test('nothing to ask is not asked', async () => {
  const asked = serve(() => 500)
  expect((await together({ a: null }, null)).size).toBe(0)
  expect(asked).toEqual([])
})

test('what is too much at once is asked alone, and one that is refused does not hide the others', async () => {
  const asked = serve((query) => (query.includes('__asked__') || query === 'bad' ? 422 : vector([[{ i: '1' }, '3']])))
  const found = await together({ a: 'x', b: 'bad' }, null)
  expect(asked).toHaveLength(3)
  expect([...found.keys()]).toEqual(['a'])
  await expect(together({ b: 'bad' }, null)).rejects.toThrow('no')
})

test('a server that does not answer is not asked again and again', async () => {
  const asked = serve(() => 503)
  await expect(together({ a: 'x', b: 'y' }, null)).rejects.toThrow()
  expect(asked.filter((query) => query)).toHaveLength(1)
})
