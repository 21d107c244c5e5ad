function e(e,n){return[e,...n.map(t=>e.map(e=>t[e]))].map(e=>e.map(t).join(`,`)).join(`\r
`)+`\r
`}function t(e){if(e==null)return``;if(typeof e==`number`)return String(e);let t=/^[=+\-@\t\r]/.test(e)&&Number.isNaN(Number(e))?`'${e}`:e;return/[",\r\n]/.test(t)?`"${t.replace(/"/g,`""`)}"`:t}function n(e,t){return JSON.stringify(t.map(t=>Object.fromEntries(e.map(e=>[e,t[e]??null]))),null,2)+`
`}function r(e,t,n){let r=URL.createObjectURL(new Blob([n],{type:t})),i=document.createElement(`a`);i.href=r,i.download=e,i.click(),setTimeout(()=>URL.revokeObjectURL(r),1e3)}export{e as n,n as r,r as t};