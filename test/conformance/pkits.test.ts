// oxlint-disable-next-line import/no-unassigned-import -- the library builds its parsers on it
import 'reflect-metadata';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { X509Certificate, X509Crl } from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { OcspMalformed, readOcspRequest } from '../../src/trust/pki/ocsp.ts';
import { verifyCertificate } from '../../src/verify/certificate.ts';

/** The package `cryptography_vectors` for Python, which carries NIST's suite of paths: Debian has it. */
const HOME = process.env['CRYPTOGRAPHY_VECTORS'] ?? '/usr/lib/python3/dist-packages/cryptography_vectors';
const [CERTIFICATES, LISTS, OCSP] = ['PKITS_data/certs', 'PKITS_data/crls', 'ocsp'].map((part) =>
  join(HOME, 'x509', part),
);
const present = existsSync(CERTIFICATES!);
const WHY_SKIPPED = `needs the Debian package python3-cryptography-vectors (or CRYPTOGRAPHY_VECTORS), not at ${HOME}`;
/** Within the validity of what the suite calls valid. */
const NOW = '2012-06-01T00:00:00Z';

interface Thing {
  name: string;
  pem: string;
  subject: string;
  issuer: string;
}

function things<T>(folder: string, label: string, read: (der: Buffer) => T, name: (of: T) => Partial<Thing>): Thing[] {
  return readdirSync(folder).map((file) => {
    const der = readFileSync(join(folder, file));
    const text = der.toString('base64').replaceAll(/.{1,64}/g, '$&\n');
    const pem = `-----BEGIN ${label}-----\n${text}-----END ${label}-----\n`;
    const unread = { name: file.replace(/\.cr[tl]$/, ''), pem, subject: `unread ${file}`, issuer: 'unread' };
    try {
      return { ...unread, ...name(read(der)) };
    } catch {
      return unread;
    }
  });
}

async function verdicts(): Promise<Record<string, string>> {
  const certificates = things(
    CERTIFICATES!,
    'CERTIFICATE',
    (der) => new X509Certificate(der),
    ({ subject, issuer }) => ({ subject, issuer }),
  );
  const lists = things(
    LISTS!,
    'X509 CRL',
    (der) => new X509Crl(der),
    ({ issuer }) => ({ issuer }),
  );
  const told: Record<string, string> = {};
  for (const leaf of certificates.filter(({ name }) => /^(Valid|Invalid)/.test(name))) {
    const chain = new Set<Thing>();
    let issuers = [leaf.issuer];
    for (let depth = 0; depth < 8; depth++) {
      const found = certificates.filter((one) => one !== leaf && !chain.has(one) && issuers.includes(one.subject));
      for (const one of found) chain.add(one);
      issuers = found.map(({ issuer }) => issuer);
    }
    const named = new Set([leaf.issuer, ...[...chain].map(({ subject }) => subject)]);
    const { code } = await verifyCertificate({
      certificate_pem: leaf.pem,
      chain_pem: [...chain].map(({ pem }) => pem).join(''),
      crl_pem:
        lists
          .filter(({ issuer }) => named.has(issuer))
          .map(({ pem }) => pem)
          .join('') || 'none',
      now: NOW,
    });
    told[leaf.name] = code;
  }
  return told;
}

describe('the path validation suite of NIST', () => {
  it.skipIf(present)(WHY_SKIPPED, () => expect(present).toBe(false));

  it.skipIf(!present)('no path that it calls invalid is trusted', async () => {
    const told = Object.entries(await verdicts());
    const invalid = told.filter(([name]) => name.startsWith('Invalid'));
    expect(invalid.length).toBeGreaterThan(100);
    expect(invalid.filter(([, code]) => code === 'valid')).toEqual([]);
    // The control: what it calls valid is, where it asks for no more than our certificates and lists have.
    const trusted = told.filter(([, code]) => code === 'valid').map(([name]) => name);
    expect(trusted).toEqual(
      expect.arrayContaining([
        'ValidCertificatePathTest1EE',
        'ValidLongSerialNumberTest17EE',
        'ValidpathLenConstraintTest8EE',
      ]),
    );
    expect(trusted.length).toBeGreaterThan(20);
  });

  it.skipIf(!present)('requests for OCSP are read, or refused as malformed', () => {
    const requests = readdirSync(OCSP!).filter((name) => name.includes('req'));
    const read = requests.map((name) => {
      try {
        return readOcspRequest(readFileSync(join(OCSP!, name))).asked.length;
      } catch (error) {
        if (error instanceof OcspMalformed) return 0;
        throw error;
      }
    });
    expect(requests.length).toBeGreaterThan(5);
    expect(Math.max(...read)).toBe(2);
  });
});
