/**
 * Ledger: everything that ever left the room; searchable, and proved to be whole.
 */
import * as React from 'react';

import { ISectionProps } from './ownerlive';
import { Left, Verification } from './protocol';
import { kindOf, moment } from './words';

/** Rows that are drawn at once. */
export const PAGE = 100;

export function LedgerView(props: ISectionProps): JSX.Element {
  const { state, actions } = props;
  const [wanted, want] = React.useState('');
  const [shown, show] = React.useState(PAGE);
  const words = wanted.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const entries = React.useMemo(
    () => state.ledger.filter(entry => matches(entry, words)).reverse(),
    [state.ledger, wanted]
  );
  return (
    <>
      <div className="crk-Toolbar">
        <input
          className="jp-mod-styled crk-Search"
          type="search"
          placeholder="Find by expert, table, rule …"
          aria-label="Find in the ledger"
          value={wanted}
          onChange={event => {
            want(event.target.value);
            show(PAGE);
          }}
        />
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
            <Row key={entry.sequence} entry={entry} />
          ))}
        </tbody>
      </table>
      {entries.length === 0 && <p className="crk-Quiet">{words.length > 0 ? 'Nothing like that left.' : 'Nothing has left the room yet.'}</p>}
      {entries.length > shown && (
        <button className="jp-mod-styled crk-Small" onClick={() => show(shown + PAGE)}>
          Show {Math.min(PAGE, entries.length - shown)} of {(entries.length - shown).toLocaleString('en')} earlier
        </button>
      )}
    </>
  );
}

function Row(props: { entry: Left }): JSX.Element {
  const { entry } = props;
  const isApproved = entry.rules.some(rule => rule.startsWith('airlock'));
  return (
    <tr>
      <td className="crk-Amount">{entry.number}</td>
      <td>
        <time dateTime={entry.time}>{moment(entry.time)}</time>
      </td>
      <th scope="row">{entry.expert}</th>
      <td>
        {entry.title}
        {isApproved && <span className="crk-Mark">on request</span>}
        <details>
          <summary className="crk-Quiet">Rules and rounding</summary>
          <p className="crk-Quiet">{entry.precision}</p>
          <ul className="crk-RuleList">
            {entry.rules.map(rule => (
              <li key={rule}>{rule}</li>
            ))}
          </ul>
        </details>
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

function matches(entry: Left, words: readonly string[]): boolean {
  if (words.length === 0) {
    return true;
  }
  const text = `#${entry.number} ${entry.expert} ${entry.title} ${kindOf(entry)} ${entry.rules.join(' ')}`.toLowerCase();
  return words.every(word => text.includes(word));
}
