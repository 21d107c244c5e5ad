import { expect, test } from 'vitest'
import { clip, fingerprint, keyOf, quote, selector, shortNames } from './labels'

test.each([
  [{ __name__: 'up' }, 'up'], [{ __name__: 'up', job: 'a', instance: 'b' }, 'up{instance="b", job="a"}'], [{ job: 'a' }, '{job="a"}'],
  [{ __name__: 'http.requests', 'k8s.pod': 'x' }, '{"http.requests", "k8s.pod"="x"}'], [{}, '{}'],
])('the selector of %j', (labels, expected) => expect(selector(labels as Record<string, string>)).toBe(expected))

test('quoting survives quotes, backslashes and new lines', () => expect(quote('a"b\\c\nd')).toBe('"a\\"b\\\\c\\nd"'))

test('keys and fingerprints do not depend on the order', () => {
  const one = { a: '1', b: '2' }
  const two = { b: '2', a: '1' }
  expect(keyOf(one)).toBe(keyOf(two))
  expect(fingerprint(one)).toBe(fingerprint(two))
  expect(fingerprint(one)).toMatch(/^[0-9a-f]{16}$/)
  expect(fingerprint({ a: '1,b=2' })).not.toBe(fingerprint(one))
})

test('short names keep only what differs', () => {
  expect(shortNames([{ job: 'x', i: '1' }, { job: 'x', i: '2' }])).toEqual(['1', '2'])
  expect(shortNames([{ a: '1', b: '1' }, { a: '1', b: '2' }, { a: '2' }])).toEqual(['a=1 b=1', 'a=1 b=2', 'a=2'])
  expect(shortNames([{ __name__: 'up', job: 'x' }])).toEqual(['up{job="x"}'])
  expect(shortNames([{ instance: 'h:1' }])).toEqual(['h:1'])
  expect(shortNames([{}])).toEqual(['value'])
  expect(shortNames([])).toEqual([])
  expect(shortNames([{ a: '1', b: '1' }, { a: '1', b: '2' }, { a: '2' }], true)).toEqual(['1 1', '1 2', '2'])
})

test('long texts are cut', () => {
  expect(clip('x'.repeat(300), 10)).toBe('xxxxxxxxxx…')
  expect(clip('short')).toBe('short')
})
