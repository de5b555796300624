import express, { Router, type Request, type Response } from 'express';
import { Problem } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import type { ChallengeResponse } from '../../domain/messages.ts';
import { findChallengePage, type ChallengePage } from '../../store/executions/challenge-page.ts';
import { stepUpQuestion } from '../../store/step-up-question.ts';
import { listPasskeys } from '../../store/passkeys.ts';
import { sha256Hex } from '../../trust/canonical.ts';
import { newId } from '../../trust/new-id.ts';
import type { ApiDeps } from '../deps.ts';
import { approvalPage, html, type PasskeyOffer } from './page.ts';
import { noticeOf } from './notice.ts';
import { PASSKEY_SCRIPT } from './passkey-script.ts';

type Deps = Pick<ApiDeps, 'pool' | 'sealer' | 'lifecycle' | 'passkeys'>;

interface Found {
  id: string;
  page: ChallengePage;
}

/** The page behind `approval_url`: shows the principal what is asked, and takes a passkey, a code, or a no. */
export function approvalRouter(deps: Deps): Router {
  const router = Router();
  router.get('/approve/passkey.js', (_req, res) => void res.type('text/javascript').send(PASSKEY_SCRIPT));
  router.get('/approve/:challenge', async (req, res) => {
    const found = await lookUp(deps, req.params.challenge);
    if (!found) return notFound(res);
    await show(deps, req, res, found);
  });
  router.post(
    '/approve/:challenge',
    express.urlencoded({ extended: false, limit: '16kb', parameterLimit: 4 }),
    async (req, res) => {
      const found = await lookUp(deps, req.params.challenge);
      if (!found) return notFound(res);
      const notice = await answer(deps, found, (req.body as Record<string, unknown> | undefined) ?? {});
      await show(deps, req, res, (await lookUp(deps, found.id)) ?? found, notice);
    },
  );
  return router;
}

async function lookUp({ pool }: Deps, text: string): Promise<Found | undefined> {
  const id = parseId(text, 'chl');
  const page = id === undefined ? undefined : await findChallengePage(pool, id);
  return page && { id: id!, page };
}

async function show(deps: Deps, req: Request, res: Response, found: Found, notice?: string): Promise<void> {
  const passkey = await offer(deps, req, found);
  res.type('html').send(approvalPage({ page: found.page, now: new Date(), passkey, notice }));
}

/** A passkey works on the origins that it is for alone; elsewhere the page points there. */
async function offer({ pool, passkeys }: Deps, req: Request, { id, page }: Found): Promise<PasskeyOffer | undefined> {
  if (!passkeys || page.status !== 'open') return undefined;
  const known = await listPasskeys(pool, page, page.principalId);
  if (known.length === 0) return undefined;
  // By host: behind a proxy that is not trusted, the scheme is not known.
  const worksHere = passkeys.origins.some((origin) => new URL(origin).host === req.get('host'));
  return worksHere
    ? { options: await passkeys.questionOptions(stepUpQuestion(id, page.intent), known) }
    : { elsewhere: `${passkeys.origins[0]}${req.originalUrl}` };
}

/** What the principal is told; undefined when the page says it all. */
async function answer(
  { lifecycle, sealer }: Deps,
  { id, page }: Found,
  form: Record<string, unknown>,
): Promise<string | undefined> {
  const said = responseOf(form);
  if (typeof said === 'string') return said;
  const request = {
    key: newId(),
    fingerprint: sha256Hex(`approve ${id}`),
    actor: 'principal:approval-page',
    replyTo: lifecycle.processId,
  };
  try {
    const tenant = { orgId: page.orgId, mode: page.mode };
    const response = { request, method: said.method, sealedResponse: sealer.seal(JSON.stringify(said.response)) };
    await (page.refundWorkflowId === null
      ? lifecycle.respond(tenant, id, response)
      : lifecycle.respondRefund(tenant, page.refundWorkflowId, response));
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return noticeOf(error, said.method);
  }
}

/** What the form says; a text is what is wrong with it. */
function responseOf(
  form: Record<string, unknown>,
): { method: ChallengeResponse['method']; response: unknown } | string {
  const { code, assertion, decline } = form;
  if (decline === 'yes') return { method: 'approval', response: { approved: false } };
  if (typeof assertion === 'string') {
    try {
      return { method: 'webauthn', response: { assertion: JSON.parse(assertion) as unknown } };
    } catch {
      return 'Your browser did not send what the passkey said. Try again.';
    }
  }
  if (typeof code === 'string' && /^\d{6,8}$/.test(code)) return { method: 'totp', response: { code } };
  return 'A code has six to eight digits.';
}

function notFound(res: Response): void {
  res.status(404).type('html').send(html('Not found', '<p>There is no such request.</p>'));
}
