import { majorText } from '../../domain/money.ts';
import type { ChallengePage } from '../../store/executions/challenge-page.ts';

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Everything that came from outside is escaped: agents name themselves, merchants are named by agents. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (c) => ESCAPES[c]!);
}

/** How the principal can confirm, besides the code. */
export type PasskeyOffer =
  /** `PublicKeyCredentialRequestOptionsJSON`. */
  | { options: object }
  /** The same page where passkeys work, when they do not here. */
  | { elsewhere: string };

export interface ApprovalView {
  page: ChallengePage;
  now: Date;
  passkey?: PasskeyOffer;
  notice?: string;
}

/** What the principal is asked to confirm, or what became of it. */
export function approvalPage({ page, now, passkey, notice }: ApprovalView): string {
  const { intent } = page;
  const isRefund = page.refundWorkflowId !== null;
  const amount = `${majorText(intent.amountMinor, intent.currency)} ${intent.currency}`;
  const facts: [string, string][] = [
    ['Amount', amount],
    [isRefund ? 'Back from' : 'To', intent.merchantRef],
    ['Agent', page.agent ?? 'unknown'],
    ['For', page.organization],
    ...(intent.description ? ([['Purpose', intent.description]] as [string, string][]) : []),
    ['Open until', page.expiresAt.toISOString()],
  ];
  const open = page.status === 'open' && now < page.expiresAt;
  return html(
    isRefund ? 'Confirm a refund' : 'Confirm a payment',
    `${notice ? `<p role="alert"><strong>${escapeHtml(notice)}</strong></p>` : ''}
     <table>${facts.map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`).join('')}</table>
     ${open ? answers(page, amount, passkey) : `<p>${escapeHtml(statusText(page))}</p>`}`,
  );
}

function answers(
  { hasTotp, refundWorkflowId }: ChallengePage,
  amount: string,
  passkey: PasskeyOffer | undefined,
): string {
  const confirm = `Confirm ${escapeHtml(amount)}`;
  return [
    refundWorkflowId === null
      ? '<p>An agent wants to make this payment. Nothing is paid unless you confirm it yourself.</p>'
      : '<p>This payment is to be refunded. Nothing is refunded unless you confirm it yourself.</p>',
    passkey && ('elsewhere' in passkey ? linkTo(passkey.elsewhere) : passkeyForm(passkey.options, confirm)),
    hasTotp &&
      `<form method="post"><label>Code of your authenticator <input name="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6,8}" required autofocus></label>
       <button>${confirm}</button></form>`,
    '<form method="post"><button name="decline" value="yes">Decline: I do not want this</button></form>',
  ]
    .filter(Boolean)
    .join('\n');
}

function linkTo(url: string): string {
  return `<p><a href="${escapeHtml(url)}">Confirm with your passkey</a></p>`;
}

function passkeyForm(options: object, confirm: string): string {
  return `<form method="post" id="passkey" data-options="${escapeHtml(JSON.stringify(options))}">
       <input type="hidden" name="assertion"><button>${confirm} with your passkey</button>
       <p role="status"></p></form><script src="/approve/passkey.js" defer></script>`;
}

function statusText({ status, refundWorkflowId }: ChallengePage): string {
  const text = STATUS_TEXT[status] ?? 'This request is closed.';
  return refundWorkflowId === null ? text : text.replace('paid', 'refunded');
}

const STATUS_TEXT: Record<string, string> = {
  open: 'The time for this request is over; nothing was paid.',
  passed: 'You have confirmed this request.',
  failed: 'This request was declined, or answered wrongly too often; nothing will be paid.',
  expired: 'The time for this request is over; nothing was paid.',
  cancelled: 'This request was withdrawn; nothing was paid.',
};

export function html(title: string, content: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}
th{text-align:left;padding-right:1.5rem;font-weight:600}td{overflow-wrap:anywhere}input{font:inherit;width:8rem}button{font:inherit}form{margin:1rem 0}</style>
</head><body><h1>${escapeHtml(title)}</h1>${content}</body></html>`;
}
