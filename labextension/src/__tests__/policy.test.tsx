import * as React from 'react';

import { Unanswered } from '../client';
import { IOwnerClient, Settings } from '../ownerclient';
import { IOwnerState, OwnerModel } from '../ownermodel';
import { differences, parsed, PolicyView, valuesOf } from '../ownerpolicy';
import { cells, isOf, RehearsalView } from '../ownerrehearsal';
import { IOwnerActions } from '../ownerview';
import { button, click, drawn, select, write } from './drawing';
import { POLICY, REHEARSED } from './samples';

const IN_FORCE = valuesOf(POLICY.form, POLICY.current);

const state = (more: Partial<IOwnerState> = {}): IOwnerState => ({
  ...new OwnerModel({} as IOwnerClient).state,
  policy: POLICY,
  ...more
});

function shown(more: Partial<IOwnerState> = {}) {
  const said: string[] = [];
  const actions = {
    rehearse: (draft: Settings) => said.push(`rehearse ${JSON.stringify(draft)}`),
    savePolicy: (draft: Settings, entry: number) => said.push(`save ${JSON.stringify(draft)} ${entry}`),
    cancelRehearsal: () => said.push('cancel')
  } as unknown as IOwnerActions;
  return { said, node: drawn(<PolicyView state={state(more)} actions={actions} />) };
}

const input = (node: HTMLElement, name: string) => node.querySelector<HTMLInputElement>(`#crk-policy-${name}`)!;

test('every setting stands with its help and its value in force', () => {
  const { node } = shown();
  for (const field of POLICY.form.fields) {
    const help = document.getElementById(input(node, field.name).getAttribute('aria-describedby')!);
    expect(help!.textContent).toContain(field.help);
  }
  expect(input(node, 'dominance_share').value).toBe('0.9');
  expect(button(node, 'Save')!.disabled).toBe(true);
});

test('what would change is listed, and sent as numbers in place of the policy that was seen', () => {
  const { node, said } = shown();
  write(input(node, 'minimum_units'), '12');
  click(input(node, 'endpoints'));
  const diff = node.querySelector('[aria-label="What would change"]')!.textContent;
  expect(diff).toContain('minimum_units 10 → 12');
  expect(diff).toContain('endpoints no → yes');
  click(button(node, 'Rehearse'));
  click(button(node, 'Save'));
  const draft = { preset: 'standard', minimum_units: 12, dominance_share: 0.9, endpoints: true };
  expect(said).toEqual([`rehearse ${JSON.stringify(draft)}`, `save ${JSON.stringify(draft)} 4`]);
  click(button(node, 'Discard'));
  expect(input(node, 'minimum_units').value).toBe('10');
});

test('a preset is a whole new draft', () => {
  const { node } = shown();
  select(input(node, 'preset'), 'strict');
  expect(input(node, 'minimum_units').value).toBe('20');
  expect(input(node, 'dominance_share').value).toBe('0.85');
});

test('what is wrong stands beside its own field', () => {
  const { node } = shown({ wrong: [{ name: 'minimum_units', message: 'A whole number is wanted.' }] });
  const field = input(node, 'minimum_units');
  expect(field.getAttribute('aria-invalid')).toBe('true');
  expect(field.getAttribute('aria-describedby')!.split(' ').map(id => document.getElementById(id)!.textContent)[0]).toContain('A whole number');
  expect(input(node, 'dominance_share').hasAttribute('aria-invalid')).toBe(false);
});

test('what is typed halfway is kept, and no number is sent for what is none', () => {
  const [, whole, number] = POLICY.form.fields;
  expect([parsed(number, '0.'), parsed(whole, ' 12 '), parsed(whole, ''), parsed(whole, 'ten')]).toEqual([0, 12, '', 'ten']);
  const { node } = shown();
  write(input(node, 'dominance_share'), '0.');
  expect(input(node, 'dominance_share').value).toBe('0.');
  expect(differences(POLICY.form, IN_FORCE, IN_FORCE)).toEqual([]);
});

describe('rehearsal', () => {
  const strict = POLICY.form.presets.strict;
  const view = (more = {}) =>
    drawn(
      <RehearsalView rehearsal={REHEARSED} rows={REHEARSED.rows} draft={strict} form={POLICY.form} onCancel={() => {}} {...more} />
    );

  test('what differs is listed with the verdicts then and now, the rest on request', () => {
    const node = view();
    const rows = () => [...node.querySelectorAll('tbody tr')].map(row => row.textContent!);
    expect(rows()).toHaveLength(3);
    expect(rows()[0]).toContain('2 newly hidden, 1 other number');
    expect(rows()[1]).toContain('withheldminimum count');
    expect(rows()[2]).toContain('too large to be kept');
    click(button(node, 'stays the same'));
    expect(rows()).toHaveLength(1);
    expect(cells(REHEARSED.rows[0])).toBe('');
  });

  test('one of another draft is said to be so', () => {
    expect(isOf(REHEARSED, strict, POLICY.form)).toBe(true);
    expect(view().textContent).not.toContain('another draft');
    expect(view({ draft: IN_FORCE }).textContent).toContain('another draft');
  });

  test('of thousands of questions a page is drawn', () => {
    const rows = Array.from({ length: 5000 }, (_, number) => ({ ...REHEARSED.rows[1], number }));
    const node = view({ rows });
    expect(node.querySelectorAll('tbody tr')).toHaveLength(50);
  });

  test('one that runs shows how far it is, and can be cancelled', () => {
    let cancelled = 0;
    const running = { ...REHEARSED, ending: 'running' as const };
    const node = view({ rehearsal: running, onCancel: () => cancelled++ });
    expect(node.querySelector('progress')!.value).toBe(4);
    click(button(node, 'Cancel'));
    expect(cancelled).toBe(1);
  });
});

describe('model', () => {
  test('rows of a rehearsal are read on from where they were', async () => {
    const asked: number[] = [];
    const client = {
      rehearse: async () => ({ ...REHEARSED, ending: 'running', rows: [] }),
      rehearsal: async (since: number) => {
        asked.push(since);
        return { ...REHEARSED, rows: REHEARSED.rows.slice(since, since + 2) };
      }
    } as unknown as IOwnerClient;
    const model = new OwnerModel(client);
    await model.rehearse(IN_FORCE);
    expect(model.isRehearsing).toBe(true);
    await model.follow();
    await model.follow();
    expect(asked).toEqual([0, 2]);
    expect(model.state.rehearsed.map(row => row.number)).toEqual([1, 2, 3, 4]);
    expect(model.isRehearsing).toBe(false);
  });

  test('a draft that is refused keeps the policy, and says what is wrong with which setting', async () => {
    const wrong = [{ name: 'minimum_units', message: 'A whole number is wanted.' }];
    const client = {
      savePolicy: async () => {
        throw new Unanswered('The draft is not valid.', { message: 'The draft is not valid.', wrong });
      }
    } as unknown as IOwnerClient;
    const model = new OwnerModel(client);
    await model.savePolicy(IN_FORCE, 4);
    expect(model.state).toMatchObject({ failure: 'The draft is not valid.', wrong, policy: null });
  });
});
