import { malformedMembers } from '../../domain/mandates/shapes.ts';
import { familyOf, isOpen, type MandateType } from '../../domain/mandates/types.ts';
import type { JsonObject } from '../sd-jwt/encoding.ts';
import type { Hop } from './chain.ts';
import type { VerifyMandateInput } from './input.ts';
import type { Checklist } from './verdict.ts';

export type MandateHop = Hop & { mandate: JsonObject; vct: MandateType };

/** In these places of an open mandate a holder may keep entries to itself; elsewhere that would widen the mandate. */
const MAY_BE_WITHHELD = /^constraints\/\d+\/(?:allowed|items\/\d+\/acceptable_items)$/;

/** Every hop carries a mandate, all of one family, and only the last may be closed. */
export function checkMandates(
  hops: readonly Hop[],
  { credential_vcts }: VerifyMandateInput,
  checks: Checklist,
): MandateHop[] {
  const mandates = hops.filter((hop, index): hop is MandateHop => {
    const carries = hop.mandate !== undefined && hop.vct !== undefined;
    const credential = index === 0 && hops.length > 1 && (credential_vcts ?? []).includes(String(hop.claims['vct']));
    checks.must(carries || credential, 'malformed', 'a hop must carry a mandate', index);
    return carries;
  });
  const leaf = mandates.at(-1)!;
  for (const hop of mandates) {
    const index = hops.indexOf(hop);
    const wrong = malformedMembers(hop.vct, hop.mandate);
    const form =
      wrong.length === 0
        ? 'its members must have their form'
        : `these members are missing or wrong: ${wrong.join(', ')}`;
    checks.must(wrong.length === 0, 'malformed', form, index);
    const placed = hop === leaf || isOpen(hop.vct);
    checks.must(placed, 'broken_chain', 'only the last mandate may be closed', index);
    const same = familyOf(hop.vct) === familyOf(leaf.vct);
    checks.must(same, 'unexpected_kind', 'all mandates of a chain must be of one kind', index);
    if (!isOpen(hop.vct)) continue;
    const open = hop.withheld.every((path) => MAY_BE_WITHHELD.test(path));
    checks.note(open, 'undisclosed', 'an open mandate must be disclosed, but for entries of its lists', index);
  }
  return mandates;
}

/** The kind that the caller asked for; and closed, unless an open one was asked for by its `vct`. */
export function checkKind(mandates: readonly MandateHop[], { kind }: VerifyMandateInput, checks: Checklist): void {
  const { vct } = mandates.at(-1)!;
  if (kind !== undefined) {
    const ok = kind === vct || kind === familyOf(vct);
    checks.must(ok, 'unexpected_kind', `the mandate must be of kind ${kind}`);
  }
  if (kind === vct) return;
  checks.must(!isOpen(vct), 'not_closed', 'an open mandate authorizes nothing until it is closed');
}
