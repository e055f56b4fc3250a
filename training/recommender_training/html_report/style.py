"""The style sheet of the page, for phones, wide screens, dark mode and print."""

from __future__ import annotations

CSS = """
:root{--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--paper:#fff;--panel:#f6f8fa;
--model:#0b5cad;--base:#c2570c;--pop:#6e7781;--want:#1a7f37;--bad:#b3261e;--unsure:#8a5a00}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b1;--line:#3d444d;
--paper:#0d1117;--panel:#161b22;--model:#6cb6ff;--base:#f0883e;--pop:#9198a1;--want:#56d364;
--bad:#ff7b72;--unsure:#e3b341}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:.2rem 0}
h2{font-size:1.15rem;margin:2.2rem 0 .5rem;padding-top:.6rem;border-top:1px solid var(--line)}
p{margin:.5rem 0;max-width:46rem}
.soft,figcaption,.note{color:var(--soft)}
.note,figcaption{font-size:.9rem}
.verdict{margin:1rem 0;padding:.9rem 1.1rem;border-left:.4rem solid var(--pop);
background:var(--panel);border-radius:.3rem}
.verdict strong{display:block;font-size:1.2rem;line-height:1.3}
.verdict.good{border-color:var(--want)}.verdict.bad{border-color:var(--bad)}
.verdict.unsure{border-color:var(--unsure)}
.verdict ul{margin:.5rem 0 0;padding-left:1.2rem}
.tiles{display:flex;flex-wrap:wrap;gap:.7rem;margin:1rem 0}
.tile{flex:1 1 9rem;padding:.7rem .8rem;border:1px solid var(--line);border-radius:.3rem}
.tile b{display:block;font-size:1.5rem;line-height:1.2;font-variant-numeric:tabular-nums}
.tile span{display:block;font-size:.85rem;color:var(--soft)}
.figures{display:flex;flex-wrap:wrap;gap:1.2rem}
figure{flex:1 1 20rem;max-width:34rem;margin:.6rem 0;break-inside:avoid}
figcaption b{display:block;color:var(--ink);font-size:1rem}
svg{display:block;width:100%;height:auto;margin-top:.4rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums;
overflow-wrap:normal}
th,td{padding:.3rem .55rem;border-bottom:1px solid var(--line);text-align:right;
white-space:nowrap}
th:first-child,td:first-child{position:sticky;left:0;background:var(--paper);text-align:left;
white-space:normal;min-width:6rem}
thead th{vertical-align:bottom;border-bottom:2px solid var(--line);white-space:normal}
td small{display:block;color:var(--soft)}
tr.few td{color:var(--soft)}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.2rem 1rem;margin:.5rem 0}
dt{color:var(--soft)}dd{margin:0}
code{font:.85em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.t{font-size:11px;fill:var(--soft)}.label{fill:var(--ink)}.strong{fill:var(--ink)}
.grid{stroke:var(--line);stroke-width:.7}.rule{stroke:var(--soft);stroke-width:1.2}
.dash{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 3;fill:none}
circle.model,rect.model{fill:var(--model)}circle.base,rect.base{fill:var(--base)}
circle.pop,rect.pop{fill:var(--pop)}circle.want,rect.want{fill:var(--want)}
line.model,line.base,line.pop,line.want,polyline{stroke-width:1.8;fill:none}
line.model,polyline.model{stroke:var(--model)}line.base,polyline.base{stroke:var(--base)}
line.pop,polyline.pop{stroke:var(--pop)}line.want,polyline.want{stroke:var(--want)}
circle.hollow{fill:var(--paper);stroke:var(--base);stroke-width:1.6}
rect.faint{fill:var(--model);opacity:.25}
@media (max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}
th,td{padding:.25rem .35rem}}
@media print{:root{--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--panel:#f3f3f3;
--model:#0b5cad;--base:#c2570c;--pop:#6e7781;--want:#1a7f37;--bad:#b3261e;--unsure:#8a5a00}
body{max-width:none;padding:0;font-size:10.5pt}.scroll{overflow:visible}
figure{flex-basis:14rem}.tile{flex-basis:7rem}
table{font-size:7.5pt}td small{white-space:normal}
th,td{padding:.15rem .3rem}h2{break-after:avoid}tr,.tile,.verdict{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
