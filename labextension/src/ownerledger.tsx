/**
 * Ledger: everything that ever left the room; when, to whom, of what, by which rule; and proved to be whole.
 */
import * as React from 'react';

import { ISectionProps } from './ownerlive';
import { Left, LeftInFull, Verification } from './protocol';
import { Facts } from './receipt';
import { IBucket, timeOf, Timeline } from './timeline';
import { kindOf, moment } from './words';

/** Rows that are drawn at once. */
export const PAGE = 50;

interface IWanted {
  readonly text: string;
  readonly expert: string;
  readonly table: string;
  readonly rule: string;
}

const ANYTHING: IWanted = { text: '', expert: '', table: '', rule: '' };

export function LedgerView(props: ISectionProps): JSX.Element {
  const { state, actions } = props;
  const [wanted, want] = React.useState(ANYTHING);
  const [span, choose] = React.useState<IBucket | null>(null);
  const [shown, show] = React.useState(PAGE);
  const tables = React.useMemo(() => state.room?.schema?.tables.map(table => table.name) ?? [], [state.room]);
  const experts = React.useMemo(() => distinct(state.ledger.map(entry => entry.expert)), [state.ledger]);
  const rules = React.useMemo(() => distinct(state.ledger.flatMap(entry => entry.rules.map(ruleOf))), [state.ledger]);
  const found = React.useMemo(() => {
    const words = wanted.text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    return state.ledger.filter(entry => matches(entry, wanted, words));
  }, [state.ledger, wanted]);
  const entries = React.useMemo(() => found.filter(entry => isWithin(entry, span)).reverse(), [found, span]);
  const narrow = (more: Partial<IWanted>) => {
    want({ ...wanted, ...more });
    choose(null);
    show(PAGE);
  };
  return (
    <>
      <div className="crk-Toolbar">
        <input
          className="jp-mod-styled crk-Search"
          type="search"
          placeholder="Find by expert, table, rule …"
          aria-label="Find in the ledger"
          value={wanted.text}
          onChange={event => narrow({ text: event.target.value })}
        />
        <Choice label="Expert" any="all experts" from={experts} value={wanted.expert} onChange={expert => narrow({ expert })} />
        <Choice label="Table" any="all tables" from={tables} value={wanted.table} onChange={table => narrow({ table })} />
        <Choice label="Rule" any="all rules" from={rules} value={wanted.rule} onChange={rule => narrow({ rule })} />
        <span className="crk-Quiet" role="status">
          {entries.length.toLocaleString('en')} of {state.ledger.length.toLocaleString('en')}
        </span>
        <Verified verification={state.verification} />
        <button className="jp-mod-styled crk-Small" onClick={actions.verify}>
          Verify again
        </button>
        <button className="jp-mod-styled crk-Small" onClick={actions.save}>
          Export CSV
        </button>
      </div>
      <Timeline entries={found} chosen={span} onChoose={choose} />
      <table className="crk-Grid crk-Ledger">
        <thead>
          <tr>
            <th scope="col">No.</th>
            <th scope="col">Time</th>
            <th scope="col">Expert</th>
            <th scope="col">What left</th>
            <th scope="col">Kind</th>
            <th scope="col">Units</th>
            <th scope="col">Numbers</th>
            <th scope="col">Audit entry</th>
          </tr>
        </thead>
        <tbody>
          {entries.slice(0, shown).map(entry => (
            <Row
              key={entry.sequence}
              entry={entry}
              release={state.release?.left.sequence === entry.sequence ? state.release : null}
              onOpen={actions.open}
            />
          ))}
        </tbody>
      </table>
      {entries.length === 0 && <p className="crk-Quiet">{state.ledger.length > 0 ? 'Nothing like that left.' : 'Nothing has left the room yet.'}</p>}
      {entries.length > shown && (
        <button className="jp-mod-styled crk-Small" onClick={() => show(shown + PAGE)}>
          Show {Math.min(PAGE, entries.length - shown)} of {(entries.length - shown).toLocaleString('en')} earlier
        </button>
      )}
    </>
  );
}

interface IRowProps {
  readonly entry: Left;
  /** What is known of it, where it is looked at. */
  readonly release: LeftInFull | null;
  readonly onOpen: (sequence: number | null) => void;
}

function Row(props: IRowProps): JSX.Element {
  const { entry, release, onOpen } = props;
  const isApproved = entry.rules.some(rule => rule.startsWith('airlock'));
  return (
    <>
      <tr>
        <td className="crk-Amount">{entry.number}</td>
        <td>
          <time dateTime={entry.time}>{moment(entry.time)}</time>
        </td>
        <th scope="row">{entry.expert}</th>
        <td>
          <button
            className="crk-Link"
            aria-expanded={release !== null}
            onClick={() => onOpen(release === null ? entry.sequence : null)}
          >
            {entry.title}
          </button>
          {isApproved && <span className="crk-Mark">on request</span>}
        </td>
        <td>{kindOf(entry)}</td>
        <td>{entry.units}</td>
        <td className="crk-Amount">
          {entry.cells}
          {entry.suppressed > 0 && <div className="crk-Quiet">{entry.suppressed} suppressed</div>}
        </td>
        <td>
          <code title={entry.chain}>{entry.sequence}</code>
        </td>
      </tr>
      {release !== null && (
        <tr className="crk-Evidence">
          <td colSpan={8}>
            <Evidence release={release} />
          </td>
        </tr>
      )}
    </>
  );
}

function Evidence(props: { release: LeftInFull }): JSX.Element {
  const { left, code } = props.release;
  return (
    <section aria-label={`Release ${left.number}`}>
      <Facts
        rows={[
          ['Rounding', left.precision],
          ['Policy', left.policy],
          ['Question', left.question],
          ['Session', left.session],
          ['Hash of the entry', left.chain]
        ]}
      />
      <h4>Rules that held</h4>
      <ul className="crk-RuleList">
        {left.rules.map(rule => (
          <li key={rule}>{rule}</li>
        ))}
      </ul>
      <h4>Code of the cell</h4>
      {code ? <pre className="crk-Pre">{code}</pre> : <p className="crk-Quiet">No cell of a notebook asked for it.</p>}
    </section>
  );
}

interface IChoiceProps {
  readonly label: string;
  readonly any: string;
  readonly from: readonly string[];
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function Choice(props: IChoiceProps): JSX.Element | null {
  const { label, any, from, value, onChange } = props;
  if (from.length === 0) {
    return null;
  }
  return (
    <select className="jp-mod-styled crk-Choice" aria-label={label} value={value} onChange={event => onChange(event.target.value)}>
      <option value="">{any}</option>
      {from.map(one => (
        <option key={one}>{one}</option>
      ))}
    </select>
  );
}

function Verified(props: { verification: Verification | null }): JSX.Element {
  const { verification } = props;
  if (verification === null) {
    return <span className="crk-Quiet">chain not verified yet</span>;
  }
  if (verification.broken_at !== null) {
    return (
      <strong className="crk-Broken" role="alert">
        ✕ The audit log is NOT whole: entry {verification.broken_at}
      </strong>
    );
  }
  return (
    <span className="crk-Whole" title={`Last hash ${verification.head}`}>
      ✓ chain verified, {verification.entries.toLocaleString('en')} entries
    </span>
  );
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)].sort((one, other) => one.localeCompare(other, 'en', { numeric: true }));
}

/** "C13" of "C13: Cells that break a rule are suppressed". */
function ruleOf(rule: string): string {
  return rule.split(':', 1)[0];
}

/** The tables stand behind the dash: "mean of age by sex — encounters, filtered". */
function isOf(entry: Left, table: string): boolean {
  const after = entry.title.slice(entry.title.lastIndexOf('—') + 1);
  return after.split(/[^\p{L}\p{N}_]+/u).includes(table);
}

function isWithin(entry: Left, span: IBucket | null): boolean {
  return span === null || (timeOf(entry) >= span.from && timeOf(entry) < span.to);
}

function matches(entry: Left, wanted: IWanted, words: readonly string[]): boolean {
  if (wanted.expert !== '' && entry.expert !== wanted.expert) {
    return false;
  }
  if (wanted.table !== '' && !isOf(entry, wanted.table)) {
    return false;
  }
  if (wanted.rule !== '' && !entry.rules.some(rule => ruleOf(rule) === wanted.rule)) {
    return false;
  }
  if (words.length === 0) {
    return true;
  }
  const text = textOf(entry);
  return words.every(word => text.includes(word));
}

/** What is searched of an entry, made when it is first searched. */
function textOf(entry: Left): string {
  let text = TEXTS.get(entry);
  if (text === undefined) {
    text = `#${entry.number} ${entry.expert} ${entry.title} ${kindOf(entry)} ${entry.rules.join(' ')}`.toLowerCase();
    TEXTS.set(entry, text);
  }
  return text;
}

const TEXTS = new WeakMap<Left, string>();
