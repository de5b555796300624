import { majorText } from '../../domain/money.ts';
import type { ChallengePage } from '../../store/executions/challenge-page.ts';

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Everything that came from outside is escaped: agents name themselves, merchants are named by agents. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (c) => ESCAPES[c]!);
}

/** What the principal is asked to confirm, or what became of it. */
export function approvalPage(page: ChallengePage, now: Date, notice?: string): string {
  const { intent } = page;
  const amount = `${majorText(intent.amountMinor, intent.currency)} ${intent.currency}`;
  const facts: [string, string][] = [
    ['Amount', amount],
    ['To', intent.merchantRef],
    ['Agent', page.agent ?? 'unknown'],
    ['For', page.organization],
    ...(intent.description ? ([['Purpose', intent.description]] as [string, string][]) : []),
    ['Open until', page.expiresAt.toISOString()],
  ];
  const open = page.status === 'open' && now < page.expiresAt;
  const body = open
    ? `<p>An agent wants to make this payment. If you want it too, enter the code that your authenticator shows. If not, close this page: without your code nothing is paid.</p>
       <form method="post"><label>Code <input name="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6,8}" required autofocus></label>
       <button>Confirm ${escapeHtml(amount)}</button></form>`
    : `<p>${escapeHtml(STATUS_TEXT[page.status] ?? 'This request is closed.')}</p>`;
  return html(
    'Confirm a payment',
    `${notice ? `<p role="alert"><strong>${escapeHtml(notice)}</strong></p>` : ''}
     <table>${facts.map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`).join('')}</table>
     ${body}`,
  );
}

const STATUS_TEXT: Record<string, string> = {
  open: 'The time for this request is over; nothing was paid.',
  passed: 'You have confirmed this request.',
  failed: 'The code was wrong too often; nothing will be paid.',
  expired: 'The time for this request is over; nothing was paid.',
  cancelled: 'This request was withdrawn; nothing was paid.',
};

export function html(title: string, content: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}
th{text-align:left;padding-right:1.5rem;font-weight:600}td{overflow-wrap:anywhere}input{font:inherit;width:8rem}button{font:inherit}</style>
</head><body><h1>${escapeHtml(title)}</h1>${content}</body></html>`;
}
