import { combined } from '../domain/screening.ts';
import { screenByFile, type ListFileOptions } from './list-file.ts';
import type { PayeeScreening } from './port.ts';
import { screenByService } from './service.ts';

export interface ScreeningSettings {
  PAYEE_LIST_FILE?: string;
  PAYEE_SCREENING_URL?: string;
  PAYEE_SCREENING_TOKEN?: string;
  PAYEE_SCREENING_TIMEOUT_MS: number;
}

/** Whoever is configured to screen, asked at once; undefined when nobody is. @throws when the list cannot be read */
export function createScreening(
  settings: ScreeningSettings,
  told: ListFileOptions['told'],
): PayeeScreening | undefined {
  const { PAYEE_LIST_FILE: file, PAYEE_SCREENING_URL: url } = settings;
  const all: PayeeScreening[] = [
    ...(file ? [screenByFile({ file, told })] : []),
    ...(url
      ? [
          screenByService({
            url,
            token: settings.PAYEE_SCREENING_TOKEN,
            timeoutMs: settings.PAYEE_SCREENING_TIMEOUT_MS,
          }),
        ]
      : []),
  ];
  if (all.length === 0) return undefined;
  return {
    screen: async (payee) => combined(await Promise.all(all.map((one) => one.screen(payee)))),
    close: () => all.forEach((one) => one.close()),
  };
}
