import { expect, test } from 'vitest'
import { metricNames, threshold } from './text'

test.each([
  ['cpu_usage > 0.9', { left: 'cpu_usage', operator: '>', value: 0.9 }],
  ['sum(rate(x{a=">5"}[5m])) by (job)\n  >= bool 1e3', { left: 'sum(rate(x{a=">5"}[5m])) by (job)', operator: '>=', value: 1000 }],
  ['up == 0', { left: 'up', operator: '==', value: 0 }],
  ['a != -1', { left: 'a', operator: '!=', value: -1 }],
  ['x < 5 # not > 3', null],
  ['a > b', null], ['a > 1 and b > 2', null], ['a > 1 or b', null], ['(a > 1)', null], ['absent(up)', null], ['1 < a < 2', null], ['android > 3', { left: 'android', operator: '>', value: 3 }],
])('the threshold of %s', (query, expected) => expect(threshold(query)).toEqual(expected))

test.each([
  ['rate(http_requests_total{job="up"}[5m])', ['http_requests_total']],
  ['a / on (job) group_left (x) b', ['a', 'b']],
  ['sum by (job) (up) or vector(1)', ['up']],
])('metrics of %s', (query, expected) => expect(metricNames(query)).toEqual(expected))
