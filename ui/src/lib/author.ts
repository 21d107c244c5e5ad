// Who sits here, as they last said; asked again where the browser keeps nothing.

const KEY = 'lapwing.author'

export function author(): string {
  try { return localStorage.getItem(KEY) ?? '' } catch { return '' }
}

export function rememberAuthor(name: string) {
  try { localStorage.setItem(KEY, name.trim()) } catch { /* asked again next time */ }
}
