import { z } from 'zod';
import { CATALOGUE } from '../../src/api/events/catalogue/index.ts';
import { EVENT_TYPES } from '../../src/domain/event-catalogue.ts';

/** The table of docs/notifications.md: `node --import tsx test/webhooks/catalogue-table.ts` prints it. */
export function catalogueTable(): string {
  const rows = EVENT_TYPES.map((type) => {
    const { properties = {}, required = [] } = z.toJSONSchema(CATALOGUE[type].schema, { io: 'input' });
    const members = Object.keys(properties).map((name) => `\`${name}\`${required.includes(name) ? '' : '?'}`);
    return `| \`${type}\` | ${members.join(', ')} |`;
  });
  return ['| event | members of `data` |', '| --- | --- |', ...rows].join('\n');
}

if (process.argv[1] === new URL(import.meta.url).pathname) process.stdout.write(`${catalogueTable()}\n`);
