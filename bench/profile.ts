import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { positive } from './options.ts';

/** What V8 writes (`*.cpuprofile`): a tree of calls, and the node that was running at each sample. */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  samples: number[];
  /** Microseconds before each sample. */
  timeDeltas: number[];
}

const isOurs = (url: string) => /\/(src|workers|bench)\//.test(url) && !url.includes('node_modules');
const IDLE = new Set(['(idle)', '(root)']);

const command = new Command('bench/profile')
  .description('where the CPU time of each thread went, from the profiles of `bench --profile <folder>`')
  .argument('<folder>')
  .option('--top <n>', 'functions to list per thread', positive, 25);
const [folder = '.'] = command.parse().args;
const { top } = command.opts<{ top: number }>();

for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
  const profile = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as CpuProfile;
  const self = selfTimes(profile);
  const busy = sum(
    profile.nodes.map(({ id, callFrame }) => (IDLE.has(callFrame.functionName) ? 0 : (self.get(id) ?? 0))),
  );
  const total = sum([...self.values()]);
  if (busy < 100_000) continue;
  process.stdout.write(`\n${file}: busy ${(busy / 1e6).toFixed(1)} s of ${(total / 1e6).toFixed(1)} s\n`);
  print(
    'by package',
    grouped(profile, self, ({ url }) => packageOf(url)),
    busy,
  );
  print(
    'by function',
    grouped(profile, self, (frame) => `${frame.functionName || '(anonymous)'}  ${place(frame)}`),
    busy,
  );
  print('under each function of this project, with what it calls', inclusive(profile, self), busy);
}

/** Time under each function of ours, counted once where it calls itself. What it awaits is not under it. */
function inclusive({ nodes }: CpuProfile, self: Map<number, number>): [string, number][] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const groups = new Map<string, number>();
  const visit = (id: number, above: ReadonlySet<string>): number => {
    const { callFrame, children = [] } = byId.get(id)!;
    const name = isOurs(callFrame.url) ? `${callFrame.functionName || '(anonymous)'}  ${place(callFrame)}` : '';
    const inside = name === '' || above.has(name) ? above : new Set([...above, name]);
    const time = children.reduce((total, child) => total + visit(child, inside), self.get(id) ?? 0);
    if (inside !== above) groups.set(name, (groups.get(name) ?? 0) + time);
    return time;
  };
  visit(nodes[0]!.id, new Set());
  return [...groups].sort(([, a], [, b]) => b - a);
}

function selfTimes({ samples, timeDeltas }: CpuProfile): Map<number, number> {
  const self = new Map<number, number>();
  for (const [index, id] of samples.entries()) self.set(id, (self.get(id) ?? 0) + (timeDeltas[index + 1] ?? 0));
  return self;
}

type Frame = CpuProfile['nodes'][number]['callFrame'];

function grouped(profile: CpuProfile, self: Map<number, number>, key: (frame: Frame) => string): [string, number][] {
  const groups = new Map<string, number>();
  for (const { id, callFrame } of profile.nodes) {
    if (IDLE.has(callFrame.functionName)) continue;
    const name = callFrame.url === '' ? callFrame.functionName : key(callFrame);
    groups.set(name, (groups.get(name) ?? 0) + (self.get(id) ?? 0));
  }
  return [...groups].sort(([, a], [, b]) => b - a);
}

function print(title: string, groups: [string, number][], busy: number): void {
  process.stdout.write(`  ${title}\n`);
  for (const [name, time] of groups.slice(0, top)) {
    process.stdout.write(`    ${((100 * time) / busy).toFixed(1).padStart(5)} %  ${name}\n`);
  }
}

function packageOf(url: string): string {
  if (url.startsWith('node:')) return 'node';
  const scoped = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  return scoped ?? /\/(src\/[^/]+|workers|bench)\//.exec(url)?.[1] ?? url;
}

function place({ url, lineNumber }: Frame): string {
  const short = url.replace(/^.*\/node_modules\//, '').replace(/^.*\/(src|workers|bench)\//, '$1/');
  return `${short}:${lineNumber + 1}`;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
