/**
 * Timeline: how many releases left when. A picture beside the table, which says the same in words.
 */
import * as React from 'react';

import { Left } from './protocol';
import { plural } from './words';

const WIDTH = 720;
const HEIGHT = 56;
const MOST_BARS = 90;
const HOUR = 3600_000;
const DAY = 24 * HOUR;

const HOURS = new Intl.DateTimeFormat([], { dateStyle: 'medium', timeStyle: 'short' });
const DAYS = new Intl.DateTimeFormat([], { dateStyle: 'medium' });

export interface IBucket {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly releases: number;
  readonly numbers: number;
}

const TIMES = new WeakMap<Left, number>();

/** Milliseconds since 1970, read once. */
export function timeOf(entry: Left): number {
  let time = TIMES.get(entry);
  if (time === undefined) {
    time = Date.parse(entry.time);
    TIMES.set(entry, time);
  }
  return time;
}

/** Equal spans from the first release to the last: of an hour, of a day, or of as many days as make few enough. */
export function buckets(entries: readonly Left[]): IBucket[] {
  const times = entries.map(timeOf).filter(time => !Number.isNaN(time));
  if (times.length === 0) {
    return [];
  }
  const first = times.reduce((one, other) => Math.min(one, other));
  const last = times.reduce((one, other) => Math.max(one, other));
  const span = last - first <= 2 * DAY ? HOUR : DAY * Math.ceil((last - first + DAY) / DAY / MOST_BARS);
  const start = Math.floor(first / span) * span;
  const found = Array.from({ length: Math.floor((last - start) / span) + 1 }, (_, place) => ({
    from: start + place * span,
    to: start + (place + 1) * span,
    releases: 0,
    numbers: 0
  }));
  for (const entry of entries) {
    const bucket = found[Math.floor((timeOf(entry) - start) / span)];
    if (bucket) {
      bucket.releases += 1;
      bucket.numbers += entry.cells;
    }
  }
  return found;
}

export interface ITimelineProps {
  readonly entries: readonly Left[];
  /** The bucket that is chosen, by its beginning. */
  readonly chosen: IBucket | null;
  readonly onChoose: (bucket: IBucket | null) => void;
}

export function Timeline(props: ITimelineProps): JSX.Element | null {
  const { entries, chosen, onChoose } = props;
  const found = React.useMemo(() => buckets(entries), [entries]);
  if (found.length < 2) {
    return null;
  }
  const most = Math.max(...found.map(bucket => bucket.releases));
  const width = WIDTH / found.length;
  return (
    <figure className="crk-Timeline">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={summary(found, most)}>
        {found.map((bucket, place) => {
          const height = Math.max((bucket.releases / most) * (HEIGHT - 2), bucket.releases > 0 ? 2 : 0);
          return (
            <g key={bucket.from} onClick={() => onChoose(chosen?.from === bucket.from ? null : bucket)}>
              <title>{`${when(bucket)}: ${plural(bucket.releases, 'release')}, ${plural(bucket.numbers, 'number')}`}</title>
              <rect className="crk-Timeline-place" x={place * width} y={0} width={width} height={HEIGHT} />
              <rect
                className="crk-Timeline-bar"
                data-chosen={chosen?.from === bucket.from || undefined}
                x={place * width + width * 0.1}
                y={HEIGHT - height}
                width={width * 0.8}
                height={height}
              />
            </g>
          );
        })}
      </svg>
      <figcaption className="crk-Quiet">
        <span>{when(found[0])}</span>
        {chosen && (
          <button className="crk-Link" onClick={() => onChoose(null)}>
            {when(chosen)} only; show all
          </button>
        )}
        <span>{when(found[found.length - 1])}</span>
      </figcaption>
    </figure>
  );
}

function summary(found: readonly IBucket[], most: number): string {
  const peak = found.find(bucket => bucket.releases === most)!;
  return `Releases from ${when(found[0])} to ${when(found[found.length - 1])}; most, ${most}, on ${when(peak)}.`;
}

function when(bucket: IBucket): string {
  return (bucket.to - bucket.from < DAY ? HOURS : DAYS).format(bucket.from);
}
