import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

const server = process.env.LAPWING_URL ?? 'http://127.0.0.1:9595'

export default defineConfig({
  // Pieces find each other wherever the server stands; the page itself is given its addresses by the server.
  base: './',
  plugins: [svelte()],
  build: {
    outDir: '../crates/ui/dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    // All styles are 8 kB: one file, asked for once, instead of one more question beside each piece of code.
    cssCodeSplit: false,
    // What the first page needs is one file, not a dozen that the browser has to ask for in turns.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'first', tags: ['$initial'] }] } } },
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { host: '127.0.0.1', port: 5173, proxy: { '/api': server, '/-': server } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
})
