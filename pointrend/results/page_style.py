"""The style sheet of the results page."""

from __future__ import annotations

STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #fcfcfa; --card: #ffffff; --ink: #1f2328; --quiet: #5b636d; --line: #dcdfe3; --link: #0b5cad;
  --aside: #fdf0d0; --aside-line: #d9a400; --neutral: #e1eefb; --neutral-line: #4b8fd0; --pending: #ebedf0;
  --good: #daf2dd; --bad: #fbdfdd;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --card: #1b1f24; --ink: #e3e6ea; --quiet: #9aa4af; --line: #343a42; --link: #7db7f5;
    --aside: #40330f; --aside-line: #b38a12; --neutral: #17304a; --neutral-line: #4b8fd0; --pending: #2b3037;
    --good: #16391d; --bad: #4a1e1b;
  }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 84rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.8rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.08rem; margin: 1.6rem 0 .5rem; }
h4 { font-size: .95rem; margin: 1.4rem 0 .3rem; }
p, dl { max-width: 60rem; }
a { color: var(--link); }
.notice { border-left: 4px solid; padding: .7rem 1rem; font-weight: 600; }
.small, figcaption { color: var(--quiet); font-size: .875rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; background: var(--card); font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .4rem .5rem; text-align: center; }
td { white-space: nowrap; }
td:nth-child(3) { white-space: normal; }
th { font-weight: 600; background: var(--paper); vertical-align: bottom; }
.hashes td { text-align: left; }
.verdict { padding: .1rem .55rem; border-radius: 1rem; }
.aside { background: var(--aside); border-color: var(--aside-line); }
.neutral { background: var(--neutral); border-color: var(--neutral-line); }
.pending { background: var(--pending); }
.good { background: var(--good); }
.bad { background: var(--bad); }
dl { display: grid; grid-template-columns: minmax(8rem, 16rem) 1fr; gap: .3rem 1rem; margin: 0; font-size: .9rem; }
@media (max-width: 45rem) { dl { grid-template-columns: 1fr; gap: .1rem; } }
dt { font-weight: 600; }
dd { margin: 0; color: var(--quiet); overflow-wrap: anywhere; }
details { margin: .4rem 0; }
summary { cursor: pointer; }
pre { background: var(--card); border: 1px solid var(--line); padding: .8rem 1rem; overflow-x: auto; }
pre, code { font-size: .85rem; }
figure { margin: 1rem 0 1.6rem; }
img { display: block; max-width: 100%; height: auto; border: 1px solid var(--line); }
"""
