import { readFile } from 'node:fs/promises';
import { ConfigError, type Config } from '../config.ts';
import { readTrustedIssuers, type TrustedIssuer } from '../trust/trust-list.ts';

/** Whom the settings trust besides ourselves. @throws ConfigError when the file cannot be used: a trust list is not guessed at */
export async function trustedIssuersFrom({
  PROKURA_TRUSTED_ISSUERS: file,
}: Pick<Config, 'PROKURA_TRUSTED_ISSUERS'>): Promise<TrustedIssuer[]> {
  if (file === undefined) return [];
  try {
    return await readTrustedIssuers(await readFile(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`PROKURA_TRUSTED_ISSUERS=${file} cannot be used: ${(error as Error).message}`);
  }
}
