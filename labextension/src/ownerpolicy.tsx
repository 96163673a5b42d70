/**
 * Policy: every setting with its help, what it is now and what it would be; rehearsed before it is saved.
 */
import * as React from 'react';

import { ISectionProps } from './ownerlive';
import { RehearsalView } from './ownerrehearsal';
import { InForce, PolicyField, PolicyForm, PolicyPage } from './protocol';
import { moment } from './words';

export type Value = boolean | number | string;
export type Settings = { readonly [name: string]: Value };

/** A difference between the policy in force and the draft. */
export interface IDifference {
  readonly name: string;
  readonly now: Value;
  readonly then: Value;
}

const PRESET = 'preset';

/** Every setting of the policy in force. */
export function valuesOf(form: PolicyForm, current: InForce): Settings {
  return { ...form.presets[current.preset], ...current.settings };
}

export function differences(form: PolicyForm, current: Settings, draft: Settings): IDifference[] {
  return form.fields
    .map(({ name }) => ({ name, now: current[name], then: draft[name] }))
    .filter(({ now, then }) => now !== then);
}

/** What was typed, as the setting's own kind; text that is no number stays text, which the room refuses by name. */
export function parsed(field: PolicyField, text: string): Value {
  const trimmed = text.trim();
  if (field.kind === 'choice' || trimmed === '' || Number.isNaN(Number(trimmed))) {
    return trimmed;
  }
  return Number(trimmed);
}

export function PolicyView(props: ISectionProps): JSX.Element {
  const { state } = props;
  if (state.policy === null) {
    return <p className="crk-Quiet">This server does not tell its policy. It may be of an older version.</p>;
  }
  // Another policy in force is another form: what was written for the last one would be compared with the wrong one.
  return <Editor key={state.policy.current.entry} page={state.policy} {...props} />;
}

function Editor(props: ISectionProps & { page: PolicyPage }): JSX.Element {
  const { page, state, actions } = props;
  const { form, current } = page;
  const inForce = React.useMemo(() => valuesOf(form, current), [form, current]);
  const [draft, write] = React.useState<Settings>(inForce);
  const changed = differences(form, inForce, draft);
  const wrong = new Map(state.wrong.map(one => [one.name, one.message]));
  const isRunning = state.rehearsal?.ending === 'running';
  return (
    <>
      <p className="crk-Quiet">
        In force: {current.preset}
        {Object.keys(current.settings).length > 0 && ` with ${Object.keys(current.settings).length} settings of its own`},{' '}
        {current.by ? `saved by ${current.by}` : 'from the configuration file'}, {moment(current.time)}. What you save here
        holds for the next answer of every session; what has left, has left.
      </p>
      <div className="crk-Split crk-Policy">
        <form aria-label="Policy" onSubmit={event => event.preventDefault()}>
          {form.fields.map(field => (
            <Setting
              key={field.name}
              field={field}
              value={draft[field.name]}
              inForce={inForce[field.name]}
              usual={form.presets[String(draft[PRESET])]?.[field.name]}
              wrong={wrong.get(field.name)}
              onChange={value =>
                write(field.name === PRESET ? form.presets[String(value)] : { ...draft, [field.name]: value })
              }
            />
          ))}
        </form>
        <div className="crk-Policy-side">
          <Difference changed={changed} />
          <div className="crk-Toolbar">
            <button
              className="jp-Dialog-button jp-mod-styled"
              disabled={isRunning}
              onClick={() => actions.rehearse(draft)}
            >
              Rehearse
            </button>
            <button
              className="jp-Dialog-button jp-mod-styled jp-mod-accept"
              disabled={changed.length === 0}
              onClick={() => actions.savePolicy(draft, current.entry)}
            >
              Save…
            </button>
            <button
              className="jp-Dialog-button jp-mod-styled jp-mod-reject"
              disabled={changed.length === 0}
              onClick={() => write(inForce)}
            >
              Discard
            </button>
          </div>
          <RehearsalView rehearsal={state.rehearsal} rows={state.rehearsed} draft={draft} form={form} onCancel={actions.cancelRehearsal} />
        </div>
      </div>
    </>
  );
}

function Difference(props: { changed: readonly IDifference[] }): JSX.Element {
  const { changed } = props;
  return (
    <>
      <h3>What would change</h3>
      {changed.length === 0 ? (
        <p className="crk-Quiet">Nothing: this is the policy in force.</p>
      ) : (
        <ul className="crk-Diff" aria-label="What would change">
          {changed.map(({ name, now, then }) => (
            <li key={name}>
              <code>{name}</code> <del>{said(now)}</del> <span aria-hidden="true">→</span> <ins>{said(then)}</ins>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

interface ISettingProps {
  readonly field: PolicyField;
  readonly value: Value;
  readonly inForce: Value;
  /** The preset's. */
  readonly usual: Value | undefined;
  readonly wrong: string | undefined;
  readonly onChange: (value: Value) => void;
}

function Setting(props: ISettingProps): JSX.Element {
  const { field, value, inForce, usual, wrong } = props;
  const id = `crk-policy-${field.name}`;
  const notes = [
    value !== inForce ? `in force: ${said(inForce)}` : '',
    usual !== undefined && value !== usual ? `the preset’s: ${said(usual)}` : ''
  ].filter(Boolean);
  return (
    <div className="crk-Setting" data-changed={value !== inForce || undefined}>
      <label htmlFor={id}>
        <code>{field.name}</code>
      </label>
      <Input {...props} id={id} />
      <p id={`${id}-help`} className="crk-Quiet">
        {field.help}
        {notes.length > 0 && <span className="crk-Setting-note"> ({notes.join('; ')})</span>}
      </p>
      {wrong && (
        <p id={`${id}-wrong`} className="crk-Setting-wrong">
          <span aria-hidden="true">✕ </span>
          {wrong}
        </p>
      )}
    </div>
  );
}

function Input(props: ISettingProps & { id: string }): JSX.Element {
  const { id, field, value, wrong, onChange } = props;
  const described = {
    id,
    'aria-describedby': wrong ? `${id}-wrong ${id}-help` : `${id}-help`,
    'aria-invalid': wrong ? true : undefined
  };
  if (field.kind === 'truth') {
    return <input {...described} type="checkbox" checked={value === true} onChange={event => onChange(event.target.checked)} />;
  }
  if (field.kind === 'choice') {
    return (
      <select {...described} className="jp-mod-styled" value={String(value)} onChange={event => onChange(event.target.value)}>
        {field.choices.map(choice => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    );
  }
  return <NumberInput {...props} described={described} />;
}

/** Keeps what is typed while it is no number yet, such as "0.". */
function NumberInput(props: ISettingProps & { described: object }): JSX.Element {
  const { field, value, described, onChange } = props;
  const [text, type] = React.useState(String(value));
  React.useEffect(() => {
    if (parsed(field, text) !== value) {
      type(String(value));
    }
  }, [value]);
  return (
    <input
      {...described}
      className="jp-mod-styled"
      inputMode="decimal"
      autoComplete="off"
      value={text}
      onChange={event => {
        type(event.target.value);
        onChange(parsed(field, event.target.value));
      }}
    />
  );
}

function said(value: Value): string {
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : typeof value === 'number' ? value.toLocaleString('en') : value;
}
