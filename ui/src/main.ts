import { mount } from 'svelte'
import App from './App.svelte'
import { pathOfHash } from './lib/hash'
import { askAhead } from './lib/models/ahead'
import { router } from './lib/router.svelte'
import { pageOf } from './lib/shell/pages'
import { view } from './lib/view.svelte'
import './styles/tokens.css'
import './styles/base.css'

const linked = pathOfHash(location.hash)
if (linked !== null) router.go(linked, true)

// The code of the page and what it will ask are on their way while the frame around them is drawn.
const page = pageOf(router.parts)
if (page?.id === 'overview') askAhead(view.asked)
void page?.load().catch(() => undefined)

mount(App, { target: document.getElementById('app')! })
