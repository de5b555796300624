import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type AuthenticationResponseJSON,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  type RegistrationResponseJSON,
} from '@simplewebauthn/server';

/** For registering: five minutes to fetch the key and touch it. */
export const REGISTRATION_MS = 300_000;

/** A passkey as it was registered. */
export interface PasskeyCredential {
  /** As the authenticator names it, base64url. */
  id: string;
  /** COSE_Key. */
  publicKey: Uint8Array<ArrayBuffer>;
  counter: number;
  transports: string[];
}

export interface RegisteredPasskey extends PasskeyCredential {
  rpId: string;
  /** Kept on more than one device. */
  synced: boolean;
}

export interface Owner {
  /** Names the principal in every challenge of a registration. */
  id: string;
  /** What a person sees in the list of passkeys. */
  label: string;
}

/**
 * WebAuthn Level 3 for one domain. Challenges are not stored. Of a registration it carries its end and a MAC over it and
 * the principal; of a question it is a MAC over the question itself, so that an answer is good for this question alone:
 * what the person confirms is in the signature. That a question is answered once is for whoever asks it.
 */
export interface Passkeys {
  /** The domain that passkeys are for. */
  readonly rpId: string;
  /** Where a page may ask for them. */
  readonly origins: readonly string[];
  registrationOptions(
    owner: Owner,
    known: Pick<PasskeyCredential, 'id' | 'transports'>[],
    nowMs: number,
  ): Promise<PublicKeyCredentialCreationOptionsJSON>;
  /** @returns `undefined` when it does not prove a new passkey of this principal, verified by its user, in time */
  register(ownerId: string, response: unknown, nowMs: number): Promise<RegisteredPasskey | undefined>;
  questionOptions(
    question: string,
    known: Pick<PasskeyCredential, 'id' | 'transports'>[],
  ): Promise<PublicKeyCredentialRequestOptionsJSON>;
  /** @returns the new count of signatures; `undefined` when it is no answer to this question by this passkey */
  answered(question: string, credential: PasskeyCredential, response: unknown): Promise<number | undefined>;
}

/**
 * @param dataKey 32 bytes, base64; the MAC key is derived from it (RFC 5869)
 * @param previous data keys whose challenges are still good
 * @param origins of pages that may ask; the first one's host is the domain. `http` is for localhost alone (§4.9).
 * @returns `undefined` when there is no such domain: an address is none, except the loopback one, for which `localhost`
 *   stands
 */
export function createPasskeys(
  dataKey: string,
  origins: readonly string[],
  previous: readonly string[] = [],
): Passkeys | undefined {
  const pages = origins.map((text) => loopbackByName(new URL(text)));
  const [first] = pages;
  if (!first || isIP(first.hostname.replaceAll(/[[\]]/g, '')) !== 0) return undefined;
  const rpId = first.hostname;
  const allowed = pages.map(({ origin }) => origin);
  const keys = [dataKey, ...previous].map((text) =>
    Buffer.from(hkdfSync('sha256', Buffer.from(text, 'base64'), '', 'prokura passkey challenge v1', 32)),
  );
  const macsOf = (...parts: (string | Buffer)[]) =>
    keys.map((key) => {
      const mac = createHmac('sha256', key);
      for (const part of parts) mac.update(part);
      return mac.digest();
    });
  const macOf = (...parts: (string | Buffer)[]) => macsOf(...parts)[0]!;
  const expected = { expectedOrigin: allowed, expectedRPID: rpId, requireUserVerification: true };

  const isOurs = (challenge: string, ownerId: string, nowMs: number): boolean => {
    const bytes = Buffer.from(challenge, 'base64url');
    if (bytes.length !== HEAD + 32) return false;
    const [head, mac] = [bytes.subarray(0, HEAD), bytes.subarray(HEAD)];
    const isMade = macsOf('register', head, ownerId).some((made) => timingSafeEqual(mac, made));
    return isMade && nowMs <= Number(head.readBigUInt64BE());
  };

  return {
    rpId,
    origins: allowed,
    async registrationOptions(owner, known, nowMs) {
      const head = Buffer.alloc(HEAD);
      head.writeBigUInt64BE(BigInt(nowMs + REGISTRATION_MS));
      randomBytes(16).copy(head, 8);
      return generateRegistrationOptions({
        rpName: 'Prokura',
        rpID: rpId,
        userName: owner.label,
        userDisplayName: owner.label,
        userID: new TextEncoder().encode(owner.id),
        challenge: new Uint8Array(Buffer.concat([head, macOf('register', head, owner.id)])),
        timeout: REGISTRATION_MS,
        attestationType: 'none',
        excludeCredentials: known.map(named),
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
      });
    },
    async register(ownerId, response, nowMs) {
      const verified = await orNothing(() =>
        verifyRegistrationResponse({
          ...expected,
          response: response as RegistrationResponseJSON,
          expectedChallenge: (challenge) => isOurs(challenge, ownerId, nowMs),
        }),
      );
      if (!verified?.verified) return undefined;
      const { credential, credentialDeviceType } = verified.registrationInfo;
      const { id, publicKey, counter, transports = [] } = credential;
      return { id, publicKey, counter, transports, rpId, synced: credentialDeviceType === 'multiDevice' };
    },
    questionOptions: (question, known) =>
      generateAuthenticationOptions({
        rpID: rpId,
        challenge: new Uint8Array(macOf('question', question)),
        allowCredentials: known.map(named),
        userVerification: 'required',
      }),
    async answered(question, credential, response) {
      const verified = await orNothing(() =>
        verifyAuthenticationResponse({
          ...expected,
          response: response as AuthenticationResponseJSON,
          expectedChallenge: (given) =>
            macsOf('question', question).some((made) => made.toString('base64url') === given),
          credential,
        }),
      );
      return verified?.verified ? verified.authenticationInfo.newCounter : undefined;
    },
  };
}

/** The library passes on whatever it is given, and options are for pages: of a passkey nothing else is told there. */
const named = ({ id, transports }: Pick<PasskeyCredential, 'id' | 'transports'>) => ({ id, transports });

/** End of a registration, milliseconds, and 16 random bytes. */
const HEAD = 24;

function loopbackByName(url: URL): URL {
  const local = new URL(url);
  if (url.hostname === '127.0.0.1' || url.hostname === '[::1]') local.hostname = 'localhost';
  return local;
}

/** The library throws for whatever does not hold, malformed or forged alike. */
async function orNothing<T>(verify: () => Promise<T>): Promise<T | undefined> {
  try {
    return await verify();
  } catch {
    return undefined;
  }
}
