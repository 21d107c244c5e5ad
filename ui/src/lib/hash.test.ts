import { expect, test } from 'vitest'
import { pathOfHash } from './hash'

test.each([
  ['#/alerts?receiver=x', '/alerts?receiver=x'], ['#/alerts?filter=%7Bseverity%3D%22page%22%7D', '/alerts?filter=severity%3D%22page%22'], ['#/silences', '/alerts/silences'],
  ['#/silences/0a1b', '/alerts/silences'], ['#/status', '/system'], ['#/', '/'], ['#/models/chat', '/models/chat'], ['#//other.example/x', '/other.example/x'], ['', null], ['#main', null],
])('the link %s', (hash, path) => expect(pathOfHash(hash)).toBe(path))
