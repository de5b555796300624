import type { Report, Section } from './report-body.ts';

/** A report as one page without scripts or anything from elsewhere, for the screen and for paper. */
export function renderReport(report: Report): string {
  const { subject, period, audit_proof: proof } = report;
  const title = `Compliance evidence: ${subject.name}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${text(title)}</h1>
<dl>
${pair(subject.kind === 'agent' ? 'Agent' : 'Organization', subject.id)}
${pair('Mode', report.mode)}
${pair('Period', `${period.from} to ${period.to} (end excluded)`)}
${pair('Generated', report.generated_at)}
</dl>
<p class="notice">${text(report.notice)}</p>
</header>
<nav><ol>${report.sections.map(({ name, title: of }) => `<li><a href="#${name}">${text(of)}</a></li>`).join('')}</ol></nav>
<main>
${report.sections.map((section) => renderSection(section, section.name === 'audit' ? renderProof(proof) : '')).join('\n')}
</main>
<footer>
<p>${Object.entries(report.laws)
    .map(([law, official]) => `${text(law)}: ${text(official)}`)
    .join('; ')}. Format ${text(report.format)}.</p>
</footer>
</body>
</html>
`;
}

function renderSection({ name, title, serves, summary, rows, rows_total, truncated }: Section, more: string): string {
  return `<section id="${name}">
<h2>${text(title)}</h2>
<ul class="serves">${serves
    .map(({ law, article, about }) => `<li><b>${text(law)} ${text(article)}</b> ${text(about)}</li>`)
    .join('')}</ul>
${
  Object.keys(summary).length === 0
    ? '<p>Nothing was recorded in the period.</p>'
    : `<dl class="summary">${Object.entries(summary)
        .map(([key, value]) => pair(key, String(value)))
        .join('')}</dl>`
}
${rows.length === 0 ? '' : renderTable(rows)}
${truncated ? `<p>${rows.length} of ${rows_total} are listed.</p>` : ''}
${more}</section>`;
}

function renderTable(rows: Section['rows']): string {
  const columns = Object.keys(rows[0]!);
  const cell = (value: string | number | null) =>
    `<td${typeof value === 'number' ? ' class="number"' : ''}>${text(value === null ? '–' : String(value))}</td>`;
  return `<div class="wide"><table>
<thead><tr>${columns.map((column) => `<th scope="col">${text(column.replaceAll('_', ' '))}</th>`).join('')}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${columns.map((column) => cell(row[column] ?? null)).join('')}</tr>`).join('\n')}
</tbody>
</table></div>`;
}

function renderProof(proof: Report['audit_proof']): string {
  const { inclusion } = proof;
  const range = proof.first_sequence === null ? 'none' : `${proof.first_sequence} to ${proof.last_sequence}`;
  return `<dl>
${pair('Entries of the trail in the period', range)}
${pair('Signing key', proof.key_id ?? 'no checkpoint yet')}
${inclusion ? pair('Proven entry', `${inclusion.entry_id}, number ${inclusion.sequence}, hash ${inclusion.entry_hash}`) : ''}
${inclusion ? pair('Tree', `${inclusion.tree_size} entries, root ${inclusion.root_hash}`) : ''}
</dl>
${proof.checkpoint === null ? '' : `<h3>Checkpoint</h3><pre>${text(proof.checkpoint)}</pre>`}
${inclusion && inclusion.hashes.length > 0 ? `<h3>Inclusion proof</h3><pre>${text(inclusion.hashes.join('\n'))}</pre>` : ''}
<p>${text(proof.how_to_check)}</p>
`;
}

function pair(name: string, value: string): string {
  return `<div><dt>${text(name)}</dt><dd>${text(value)}</dd></div>`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function text(value: string): string {
  return value.replaceAll(/[&<>"']/g, (c) => ESCAPES[c]!);
}

const STYLE = `
:root { color-scheme: light; --line: #d5d9de; --soft: #5b6570; --ink: #16202b; --mark: #f4f6f8; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 70rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
section { border-top: 1px solid var(--line); padding-top: 1.5rem; margin-top: 2rem; }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .5rem 0 1rem; }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.summary dd { font-size: 1.2rem; font-variant-numeric: tabular-nums; }
.notice { background: var(--mark); border-left: 4px solid var(--soft); padding: .75rem 1rem; margin: 1rem 0; }
.serves { padding-left: 1.1rem; margin: 0 0 1rem; color: var(--soft); font-size: .9rem; }
.serves b { color: var(--ink); font-weight: 600; }
nav ol { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; list-style: none; padding: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; min-width: 6.5rem; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
.number { font-variant-numeric: tabular-nums; }
pre { background: var(--mark); padding: .75rem 1rem; overflow-x: auto; font-size: .8rem; }
footer { color: var(--soft); font-size: .85rem; margin-top: 2rem; }
@media print { nav { display: none; } body { padding: 0; max-width: none; } section { break-inside: auto; } }
`;
