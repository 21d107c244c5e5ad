// The PromQL editor: CodeMirror with the grammar, completion from the server's own metrics, and lint. Loaded when first needed.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, insertNewline } from '@codemirror/commands'
import { HighlightStyle, bracketMatching, syntaxHighlighting } from '@codemirror/language'
import { lintKeymap } from '@codemirror/lint'
import { EditorState } from '@codemirror/state'
import { EditorView, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { PromQLExtension, newCompleteStrategy, type CompleteStrategy } from '@prometheus-io/codemirror-promql'
import type { CompletionContext, CompletionResult } from '@codemirror/autocomplete'

export type Handle = { setValue: (text: string) => void; insert: (text: string) => void; focus: () => void; destroy: () => void }
export type Options = { value: string; label: string; history: () => string[]; change: (text: string) => void; run: () => void }

/** The language's own completion, and whole queries of before while the field is nearly empty. */
class WithHistory implements CompleteStrategy {
  constructor(private readonly inner: CompleteStrategy, private readonly past: () => string[]) {}

  async promQL(context: CompletionContext): Promise<CompletionResult | null> {
    const result = await this.inner.promQL(context)
    const text = context.state.doc.toString()
    if (text.length > 2 || context.pos !== text.length) return result
    const past = this.past().map((query) => ({ label: query, type: 'text', detail: 'asked before', boost: -10 }))
    if (past.length === 0) return result
    return { ...(result ?? {}), from: 0, options: [...(result?.options ?? []), ...past] }
  }
}

const highlight = HighlightStyle.define([
  { tag: tags.function(tags.variableName), color: 'var(--accent)' },
  { tag: tags.keyword, color: 'var(--accent)' },
  { tag: tags.modifier, color: 'var(--accent)' },
  { tag: tags.labelName, color: 'var(--info)' },
  { tag: tags.string, color: 'var(--ok)' },
  { tag: tags.number, color: 'var(--warn)' },
  { tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--crit)' },
])

const theme = EditorView.theme({
  '&': { fontSize: '13px', color: 'var(--text)', backgroundColor: 'transparent' },
  '.cm-content': { fontFamily: 'var(--mono)', padding: '5px 0', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 8px', lineHeight: '18px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', maxHeight: '220px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground, .cm-content ::selection': { backgroundColor: 'var(--accent-soft) !important' },
  '.cm-matchingBracket': { backgroundColor: 'var(--accent-soft) !important', outline: '1px solid var(--accent)' },
  '.cm-placeholder': { color: 'var(--muted)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', border: '1px solid var(--line-strong)', borderRadius: '6px', boxShadow: 'var(--shadow)', zIndex: '70' },
  '.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono) !important', maxHeight: '260px !important' },
  '.cm-tooltip-autocomplete > ul > li': { padding: '2px 8px !important', color: 'var(--text)' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent-soft) !important', color: 'var(--text) !important' },
  '.cm-completionDetail': { color: 'var(--muted)', fontStyle: 'normal', marginLeft: '12px' },
  '.cm-completionInfo': { maxWidth: '320px', padding: '6px 8px' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--crit)' },
})

export function create(host: HTMLElement, options: Options): Handle {
  // Requests of the completion go through the page's own address; the server's reply decides what is offered.
  const remote = { url: '', lookbackInterval: 3_600_000, cache: { maxAge: 60_000 } }
  const promql = new PromQLExtension().setComplete({ completeStrategy: new WithHistory(newCompleteStrategy({ remote }), options.history) })
  const view = new EditorView({
    parent: host,
    state: EditorState.create({
      doc: options.value,
      extensions: [
        history(), bracketMatching(), closeBrackets(), autocompletion({ icons: false, maxRenderedOptions: 60 }), promql.asExtension(),
        syntaxHighlighting(highlight), theme, EditorView.lineWrapping, placeholder('a PromQL query: Enter runs it, Shift Enter is a new line'),
        EditorView.contentAttributes.of({ 'aria-label': options.label, 'aria-multiline': 'true' }),
        keymap.of([...completionKeymap]),
        keymap.of([
          { key: 'Enter', run: () => { options.run(); return true } },
          { key: 'Shift-Enter', run: insertNewline },
          ...closeBracketsKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) options.change(update.state.doc.toString())
        }),
      ],
    }),
  })
  return {
    setValue(text) {
      if (text !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } })
    },
    insert(text) {
      view.dispatch(view.state.replaceSelection(text))
      view.focus()
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  }
}
