/**
 * Rehearsal: what a draft of the policy would have made of every question that was asked so far.
 */
import * as React from 'react';

import { Change, Judged, Judgement, PolicyForm, Rehearsed } from './protocol';
import { moment, plural } from './words';

/** Rows that are drawn at once. */
export const PAGE = 50;

type Settings = { readonly [name: string]: boolean | number | string };

export interface IRehearsalProps {
  readonly rehearsal: Rehearsed | null;
  readonly rows: readonly Judged[];
  /** What stands in the form now: the rehearsal may be of another draft. */
  readonly draft: Settings;
  readonly form: PolicyForm;
  readonly onCancel: () => void;
}

const WORDS: { readonly [change in Change]: string } = {
  passes: 'newly passes',
  fails: 'newly fails',
  changes: 'changes',
  same: 'stays the same',
  'left out': 'left out'
};

const ENDINGS: { readonly [ending in Rehearsed['ending']]: string } = {
  running: 'running',
  done: 'done',
  cancelled: 'cancelled: the questions below are those it came to',
  'out of time': 'out of time: the questions below are those it came to',
  failed: 'failed'
};

export function RehearsalView(props: IRehearsalProps): JSX.Element {
  const { rehearsal, rows, draft, form, onCancel } = props;
  const [wanted, want] = React.useState<Change | 'different'>('different');
  const [shown, show] = React.useState(PAGE);
  if (rehearsal === null) {
    return (
      <>
        <h3>Rehearsal</h3>
        <p className="crk-Quiet">
          Every question that was asked so far can be judged again by this draft, in its order and as of its day. Nothing is
          saved by it, and no expert hears of it.
        </p>
      </>
    );
  }
  const { summary, ending } = rehearsal;
  const isOther = !isOf(rehearsal, draft, form);
  const chosen = rows.filter(row => (wanted === 'different' ? row.change !== 'same' : row.change === wanted));
  return (
    <section aria-label="Rehearsal">
      <h3>Rehearsal</h3>
      {isOther && <p className="crk-Problem">This is of another draft than the one in the form. Rehearse again.</p>}
      <p role="status">
        {ENDINGS[ending]}
        {rehearsal.message && `. ${rehearsal.message}`} · {summary.judged.toLocaleString('en')} of{' '}
        {plural(summary.questions, 'question')}, {rehearsal.seconds.toLocaleString('en')} s
      </p>
      {ending === 'running' && (
        <div className="crk-Toolbar">
          <progress aria-label="Questions judged" value={summary.judged} max={Math.max(summary.questions, 1)} />
          <button className="jp-mod-styled crk-Small" onClick={onCancel}>
            Cancel
          </button>
        </div>
      )}
      <div className="crk-Chips" role="group" aria-label="Which questions are listed">
        <Chip label="all that differ" count={summary.passes + summary.fails + summary.changes + summary.left_out} isOn={wanted === 'different'} onClick={() => want('different')} />
        {(['passes', 'fails', 'changes', 'same', 'left out'] as const).map(change => (
          <Chip
            key={change}
            label={WORDS[change]}
            count={change === 'left out' ? summary.left_out : summary[change]}
            isOn={wanted === change}
            onClick={() => {
              want(change);
              show(PAGE);
            }}
          />
        ))}
      </div>
      {chosen.length > 0 && (
        <table className="crk-Grid crk-Rehearsal">
          <thead>
            <tr>
              <th scope="col">Question</th>
              <th scope="col">Expert</th>
              <th scope="col">Then</th>
              <th scope="col">With this draft</th>
              <th scope="col">Cells</th>
            </tr>
          </thead>
          <tbody>
            {chosen.slice(0, shown).map(row => (
              <Row key={row.number} row={row} />
            ))}
          </tbody>
        </table>
      )}
      {chosen.length === 0 && ending !== 'running' && <p className="crk-Quiet">No question {wanted === 'different' ? 'differs' : WORDS[wanted]}.</p>}
      {chosen.length > shown && (
        <button className="jp-mod-styled crk-Small" onClick={() => show(shown + PAGE)}>
          Show {Math.min(PAGE, chosen.length - shown)} of {(chosen.length - shown).toLocaleString('en')} more
        </button>
      )}
    </section>
  );
}

function Chip(props: { label: string; count: number; isOn: boolean; onClick: () => void }): JSX.Element {
  return (
    <button className="crk-Chip" aria-pressed={props.isOn} onClick={props.onClick}>
      {props.label} <span className="crk-Chip-count">{props.count.toLocaleString('en')}</span>
    </button>
  );
}

function Row(props: { row: Judged }): JSX.Element {
  const { row } = props;
  return (
    <tr data-change={row.change}>
      <td>
        <span className="crk-Change" data-change={row.change}>
          {WORDS[row.change]}
        </span>{' '}
        {row.title || <code>{row.question.slice(0, 12)}</code>}
        <div className="crk-Quiet">{moment(row.time)}</div>
      </td>
      <td>{row.expert}</td>
      {row.change === 'left out' ? (
        <td colSpan={3}>{row.why}</td>
      ) : (
        <>
          <td>{judged(row.then)}</td>
          <td>{judged(row.now)}</td>
          <td>{cells(row)}</td>
        </>
      )}
    </tr>
  );
}

function judged(judgement: Judgement): JSX.Element {
  return (
    <>
      {judgement.outcome}
      <div className="crk-Quiet">
        {judgement.rules.length > 0
          ? judgement.rules.join(', ')
          : `${plural(judgement.cells, 'number')}${judgement.suppressed ? `, ${judgement.suppressed} suppressed` : ''}; ${judgement.precision}`}
      </div>
    </>
  );
}

/** "2 newly shown, 1 newly hidden". */
export function cells(row: Judged): string {
  const said = [
    [row.shown, 'newly shown'],
    [row.hidden, 'newly hidden'],
    [row.moved, 'other numbers']
  ] as const;
  return said
    .filter(([count]) => count > 0)
    .map(([count, words]) => `${count.toLocaleString('en')} ${count === 1 ? words.replace('numbers', 'number') : words}`)
    .join(', ');
}

/** Whether a rehearsal was of this draft. A rehearsal names what differs from its preset. */
export function isOf(rehearsal: Rehearsed, draft: Settings, form: PolicyForm): boolean {
  const preset = form.presets[String(rehearsal.settings.preset)];
  return form.fields.every(({ name }) => (rehearsal.settings[name] ?? preset?.[name]) === draft[name]);
}
