// Questions about hosts and GPUs, in node_exporter's and dcgm-exporter's names, with Lapwing's well-known ratios first.

import { quote } from './labels'
import type { Unit } from './format'

const REAL_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs|devtmpfs|nsfs|fuse.*", mountpoint!~"/(boot|etc|run|sys|proc).*"'
const REAL_NETS = 'device!~"lo|veth.*|docker.*|br-.*|cni.*|cali.*|flannel.*"'
const REAL_BLOCKS = 'device!~"loop.*|ram.*|dm-.*|sr.*"'

/** ` and` part of a selector for one host, or for all. */
function on(instance: string | null): string {
  return instance ? `instance=${quote(instance)}, ` : ''
}

export const cpu = (i: string | null, w: string) => `1 - avg by (instance) (rate(node_cpu_seconds_total{${on(i)}mode="idle"}[${w}]))`
export const memory = (i: string | null) => `1 - node_memory_MemAvailable_bytes{${on(i)}} / node_memory_MemTotal_bytes{${on(i)}}`
/** As `df` shows it: what root keeps back counts as neither used nor free. */
function usedShare(i: string | null): string {
  const of = (what: string) => `node_filesystem_${what}_bytes{${on(i)}${REAL_DISKS}}`
  const used = `(${of('size')} - ${of('free')})`
  return `${used} / (${used} + ${of('avail')})`
}

export const disk = (i: string | null) => `max by (instance) (${usedShare(i)})`
export const disks = (i: string | null) => `max by (instance, mountpoint) (${usedShare(i)})`
export const load = (i: string | null) => `node_load1{${on(i)}}`
export const cores = (i: string | null) => `count by (instance) (count by (instance, cpu) (node_cpu_seconds_total{${on(i)}}))`

export type HostPanel = { title: string; unit: Unit; queries: { expr: string; name?: string }[] }

/** Eight panels that tell most of a host's troubles. `instance` null means all hosts together. */
export function hostPanels(instance: string | null, window: string): HostPanel[] {
  const i = on(instance)
  const rate = (metric: string, where: string, by = 'instance') => `sum by (${by}) (rate(${metric}{${i}${where}}[${window}]))`
  return [
    { title: 'CPU', unit: 'ratio', queries: [{ expr: cpu(instance, window), name: instance ? 'busy' : '' }] },
    { title: 'Memory', unit: 'ratio', queries: [{ expr: memory(instance), name: instance ? 'used' : '' }] },
    { title: 'Load', unit: 'short', queries: [
      { expr: `node_load1{${i}}`, name: '1 min' }, { expr: `node_load5{${i}}`, name: '5 min' }, { expr: `node_load15{${i}}`, name: '15 min' },
    ] },
    { title: 'Disk space used', unit: 'ratio', queries: [{ expr: disks(instance) }] },
    { title: 'Disk traffic', unit: 'bytes/s', queries: [
      { expr: rate('node_disk_read_bytes_total', REAL_BLOCKS), name: 'read' }, { expr: rate('node_disk_written_bytes_total', REAL_BLOCKS), name: 'written' },
    ] },
    { title: 'Network', unit: 'bytes/s', queries: [
      { expr: rate('node_network_receive_bytes_total', REAL_NETS), name: 'received' }, { expr: rate('node_network_transmit_bytes_total', REAL_NETS), name: 'sent' },
    ] },
    { title: 'Disk busy', unit: 'ratio', queries: [{ expr: `max by (instance) (rate(node_disk_io_time_seconds_total{${i}${REAL_BLOCKS}}[${window}]))`, name: instance ? 'busiest disk' : '' }] },
    { title: 'Processes', unit: 'short', queries: [
      { expr: `node_procs_running{${i}}`, name: 'running' }, { expr: `node_procs_blocked{${i}}`, name: 'blocked' },
    ] },
  ]
}

export const GPU_QUERIES = {
  usage: 'DCGM_FI_DEV_GPU_UTIL / 100',
  memory: 'DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)',
  celsius: 'DCGM_FI_DEV_GPU_TEMP',
  watts: 'DCGM_FI_DEV_POWER_USAGE',
} as const
