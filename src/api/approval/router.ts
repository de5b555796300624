import express, { Router, type Response } from 'express';
import { Problem } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import { findChallengePage, type ChallengePage } from '../../store/executions/challenge-page.ts';
import { sha256Hex } from '../../trust/canonical.ts';
import { newId } from '../../trust/new-id.ts';
import type { ApiDeps } from '../deps.ts';
import { approvalPage, html } from './page.ts';

type Deps = Pick<ApiDeps, 'pool' | 'sealer' | 'lifecycle'>;

/** The page behind `approval_url`: shows the principal what is asked, and takes the authenticator's code. */
export function approvalRouter(deps: Deps): Router {
  const router = Router();
  router.get('/approve/:challenge', async (req, res) => {
    const found = await lookUp(deps, req.params.challenge);
    if (!found) return notFound(res);
    res.type('html').send(approvalPage(found.page, new Date()));
  });
  router.post(
    '/approve/:challenge',
    express.urlencoded({ extended: false, limit: '2kb', parameterLimit: 4 }),
    async (req, res) => {
      const found = await lookUp(deps, req.params.challenge);
      if (!found) return notFound(res);
      const notice = await answer(deps, found, (req.body as { code?: unknown } | undefined)?.code);
      const after = (await lookUp(deps, found.id)) ?? found;
      res.type('html').send(approvalPage(after.page, new Date(), notice));
    },
  );
  return router;
}

async function lookUp({ pool }: Deps, text: string): Promise<{ id: string; page: ChallengePage } | undefined> {
  const id = parseId(text, 'chl');
  const page = id === undefined ? undefined : await findChallengePage(pool, id);
  return page && { id: id!, page };
}

/** What the principal is told; undefined when the page says it all. */
async function answer(
  { lifecycle, sealer }: Deps,
  { id, page }: { id: string; page: ChallengePage },
  code: unknown,
): Promise<string | undefined> {
  if (typeof code !== 'string' || !/^\d{6,8}$/.test(code)) return 'A code has six to eight digits.';
  const request = {
    key: newId(),
    fingerprint: sha256Hex(`approve ${id}`),
    actor: 'principal:approval-page',
    replyTo: lifecycle.processId,
  };
  try {
    await lifecycle.respond({ orgId: page.orgId, mode: page.mode }, id, {
      request,
      method: 'totp',
      sealedResponse: sealer.seal(JSON.stringify({ code })),
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.code === 'challenge_failed'
      ? 'That code is not right. Wait for the next one, and try again.'
      : undefined;
  }
}

function notFound(res: Response): void {
  res.status(404).type('html').send(html('Not found', '<p>There is no such request.</p>'));
}
