import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import type { ReviewSettings } from '../../domain/review/settings.ts';
import { recordFact } from '../../store/facts.ts';
import { findReviewSettings, replaceReviewSettings } from '../../store/reviews/settings.ts';
import { minorAt } from '../money.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { currencyCode, majorAmount } from '../schemas.ts';

const score = z.int().min(1).max(100).nullable();
const DAY_SECONDS = 86_400;

const SettingsBody = z
  .strictObject({
    quorum: z.int().min(1).max(10).default(1),
    members_only: z.boolean().default(false),
    approver: z
      .strictObject({
        max_approvals: z.int().min(1).max(1_000_000).nullable().default(null),
        max_amounts: z.partialRecord(currencyCode, majorAmount).default({}),
        window_seconds: z
          .int()
          .min(60)
          .max(366 * DAY_SECONDS)
          .default(DAY_SECONDS),
      })
      .prefault({}),
    auto_release_below: score.default(null),
    auto_deny_from: score.default(null),
  })
  .meta({ id: 'ReviewSettingsBody' });

const SettingsOutput = z
  .object({
    quorum: z.int(),
    members_only: z.boolean().meta({ description: 'Also where several persons must approve' }),
    approver: z.object({
      max_approvals: z.int().nullable(),
      max_amounts: z.record(z.string(), z.object({ amount: z.number(), amount_minor: z.int() })),
      window_seconds: z.int(),
    }),
    auto_release_below: score,
    auto_deny_from: score,
  })
  .meta({ id: 'ReviewSettings' });

/** How the organization reviews: who counts, how many, how much. */
export function reviewSettingsRoutes(): AnyRoute[] {
  const tags = ['Reviews'];
  return [
    route({
      method: 'get',
      path: '/v1/review-settings',
      summary: 'How the organization reviews',
      tags,
      scope: 'policy:read',
      idempotency: 'none',
      replay: 'none',
      responses: { 200: SettingsOutput },
      handler: async ({ tenant, db }) => ({ status: 200, body: print(await findReviewSettings(db, tenant)) }),
    }),
    route({
      method: 'put',
      path: '/v1/review-settings',
      summary: 'Replaces how the organization reviews; open reviews keep their quorum.',
      tags,
      scope: 'policy:write',
      body: SettingsBody,
      example: {
        quorum: 1,
        members_only: false,
        approver: { max_approvals: 100, max_amounts: { EUR: 50_000, USD: 50_000 }, window_seconds: 86_400 },
      },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: SettingsOutput },
      handler: async ({ tenant, body, actor, db }) => {
        const settings = settingsOf(body);
        const at = new Date();
        await replaceReviewSettings(db, tenant, settings, at);
        const printed = print(settings);
        await recordFact(db, {
          tenant,
          at,
          type: 'review.settings_changed',
          actor,
          subject: toTypeId('org', tenant.orgId),
          body: printed,
          events: [],
        });
        return { status: 200, body: printed };
      },
    }),
  ];
}

function settingsOf(body: z.output<typeof SettingsBody>): ReviewSettings {
  const { auto_release_below: release, auto_deny_from: deny } = body;
  if (release !== null && deny !== null && release > deny) {
    throw invalidRequest('auto_release_below', 'must not be above auto_deny_from');
  }
  return {
    quorum: body.quorum,
    membersOnly: body.members_only,
    approver: {
      maxApprovals: body.approver.max_approvals,
      maxAmounts: Object.fromEntries(
        Object.entries(body.approver.max_amounts).map(([currency, amount]) => [
          currency,
          minorAt(`approver.max_amounts.${currency}`, amount!, currency),
        ]),
      ),
      windowSeconds: body.approver.window_seconds,
    },
    autoReleaseBelow: release,
    autoDenyFrom: deny,
  };
}

function print(settings: ReviewSettings): z.input<typeof SettingsOutput> {
  const { approver } = settings;
  return {
    quorum: settings.quorum,
    members_only: settings.membersOnly,
    approver: {
      max_approvals: approver.maxApprovals,
      max_amounts: Object.fromEntries(
        Object.entries(approver.maxAmounts).map(([currency, minor]) => [
          currency,
          { amount: toMajor(minor, currency), amount_minor: minor },
        ]),
      ),
      window_seconds: approver.windowSeconds,
    },
    auto_release_below: settings.autoReleaseBelow,
    auto_deny_from: settings.autoDenyFrom,
  };
}
