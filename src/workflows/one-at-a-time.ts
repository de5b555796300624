/**
 * Runs what is given to it one after the other, in the order it came; at once when nothing is under way.
 *
 * Local activities that handlers of messages call go through it. Of two under way at the same time, each result made
 * commands of its own when it came; a replay finds both in the same task, gives the workflow both at once, and the
 * commands come out in another order: nondeterminism, and a lifecycle that no worker can carry on.
 */
export function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<void> | undefined;
  return (work) => {
    const mine = last ? last.then(work) : work();
    const settled: Promise<void> = mine
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        if (last === settled) last = undefined;
      });
    last = settled;
    return mine;
  };
}
