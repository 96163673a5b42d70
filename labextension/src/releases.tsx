/**
 * Releases: everything that this session got out of the room, and what it asked in vain; the newest first.
 */
import * as React from 'react';

import { Receipt } from './protocol';
import { ReceiptView } from './receipt';
import { IDenied, IRoomState } from './tokens';
import { clock, explained, sizes } from './words';

export interface IReleasesProps {
  readonly state: IRoomState;
  /** Whether the cell that asked is in the notebook. */
  readonly has: (request: string) => boolean;
  readonly onJump: (request: string) => void;
}

/** Rows that are drawn at once: a search over thousands of fits must not make the panel slow. */
export const PAGE = 50;

type Entry = { time: string; receipt: Receipt; denied?: undefined } | { time: string; denied: IDenied; receipt?: undefined };

export function ReleasesView(props: IReleasesProps): JSX.Element {
  const { state, has, onJump } = props;
  const [wanted, want] = React.useState('');
  const [shown, show] = React.useState(PAGE);
  const { receipts, denied } = state;
  const entries = React.useMemo(
    () => entriesOf(receipts, denied).filter(entry => matches(entry, wanted.trim().toLowerCase())),
    [receipts, denied, wanted]
  );
  if (receipts.length + denied.length === 0) {
    return <p className="crk-Quiet">Nothing has left the room yet.</p>;
  }
  const left = entries.length - shown;
  const unit = state.description?.schema.unit_name ?? 'unit';
  return (
    <>
      {receipts.length + denied.length > PAGE && (
        <input
          className="jp-mod-styled crk-Search"
          type="search"
          placeholder="Find a release"
          aria-label="Find a release"
          value={wanted}
          onChange={event => want(event.target.value)}
        />
      )}
      <ul className="crk-Releases">
        {entries.slice(0, shown).map(entry => (
          <li key={keyOf(entry)}>
            {entry.receipt ? (
              <Released receipt={entry.receipt} unit={unit} has={has} onJump={onJump} />
            ) : (
              <Denied denied={entry.denied} has={has} onJump={onJump} />
            )}
          </li>
        ))}
      </ul>
      {left > 0 && (
        <button className="jp-mod-styled crk-Button" onClick={() => show(shown + 2 * PAGE)}>
          Show {Math.min(left, 2 * PAGE)} of {left.toLocaleString('en')} earlier
        </button>
      )}
    </>
  );
}

function entriesOf(receipts: readonly Receipt[], denied: readonly IDenied[]): Entry[] {
  const entries: Entry[] = [
    ...receipts.map(receipt => ({ time: receipt.time, receipt })),
    ...denied.map(one => ({ time: one.time, denied: one }))
  ];
  return entries.sort((one, other) => compare(second(one), second(other))).reverse();
}

/** A receipt's time has seconds, a reply's has more: to the second both compare as text. */
function second(entry: Entry): string {
  return entry.time.slice(0, 19);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

function matches(entry: Entry, wanted: string): boolean {
  const text = entry.receipt
    ? `#${entry.receipt.number} ${entry.receipt.title} ${entry.receipt.rules.join(' ')}`
    : `${entry.denied.kind} ${entry.denied.rule}`;
  return text.toLowerCase().includes(wanted);
}

function keyOf(entry: Entry): string {
  return entry.receipt
    ? `${entry.receipt.number}`
    : `${entry.denied.request} ${entry.denied.kind} ${entry.denied.rule}`;
}

interface IJumpProps {
  readonly has: (request: string) => boolean;
  readonly onJump: (request: string) => void;
}

function Released(props: { receipt: Receipt; unit: string } & IJumpProps): JSX.Element {
  const { receipt, unit, has, onJump } = props;
  const [isOpen, open] = React.useState(false);
  return (
    <details onToggle={event => open(event.currentTarget.open)}>
      <summary>
        <span className="crk-Number">#{receipt.number}</span> {receipt.title}
        <div className="crk-Quiet">
          {sizes(receipt, unit)} · {clock(receipt.time)}
        </div>
      </summary>
      {isOpen && (
        <>
          <Jump request={receipt.cell} has={has} onJump={onJump} />
          <ReceiptView receipt={receipt} />
        </>
      )}
    </details>
  );
}

function Denied(props: { denied: IDenied } & IJumpProps): JSX.Element {
  const { denied, has, onJump } = props;
  const title = denied.kind === 'withheld' ? 'withheld' : `refused: ${denied.rule}`;
  return (
    <details>
      <summary>
        <span className="crk-Denied" data-outcome={denied.kind === 'withheld' ? 'withheld' : 'refused'}>
          {title}
        </span>
        <div className="crk-Quiet">{clock(denied.time)}</div>
      </summary>
      <Jump request={denied.request} has={has} onJump={onJump} />
      <p>{explained(denied)}</p>
    </details>
  );
}

function Jump(props: { request: string } & IJumpProps): JSX.Element {
  const { request, has, onJump } = props;
  if (request === '' || !has(request)) {
    return <p className="crk-Quiet">Its cell has been removed, or is in another notebook.</p>;
  }
  return (
    <button className="crk-Link" onClick={() => onJump(request)}>
      Go to its cell
    </button>
  );
}
