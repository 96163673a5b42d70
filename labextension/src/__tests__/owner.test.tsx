import * as React from 'react';

import { csv } from '../csv';
import { IOwnerClient, Settings } from '../ownerclient';
import { LedgerView, PAGE } from '../ownerledger';
import { IOwnerState, OwnerModel } from '../ownermodel';
import { ExaminedView } from '../ownerrequests';
import { IOwnerActions, OwnerView } from '../ownerview';
import { Decision, Examined, Left, LedgerPage, PolicyPage, Request } from '../protocol';
import { buckets } from '../timeline';
import { button, click, drawn, press, select, write } from './drawing';
import { POLICY, REHEARSED } from './samples';

const REQUEST: Request = {
  number: 3,
  expert: 'ada',
  session: 's',
  cell: 'c',
  question: 'a'.repeat(40),
  title: 'mean of los_days — encounters, filtered',
  reason: '<b>Table 3</b>',
  state: 'asked',
  asked: '2026-01-01T10:00:00Z',
  expires: '2026-01-15T10:00:00Z',
  checkers: 1,
  findings: ['minimum count: 1 of 1 number'],
  sha256: 'f'.repeat(64),
  steps: [],
  job: '',
  result: 0
};

const EXAMINED: Examined = {
  request: REQUEST,
  preview: { type: 'grid', keys: [], rows: [[]], columns: ['los'], values: [[1234.5]], suppressed: [[false]] },
  output_class: 'linear',
  units: 'fewer than 10',
  cells: 1,
  precision: 'at most 4 significant digits',
  code: 'few.los.mean()',
  job: null
};

const left = (more: Partial<Left> = {}): Left => ({
  sequence: 1,
  time: '2026-01-01T10:00:00.000Z',
  number: 1,
  expert: 'ada',
  session: 's',
  cell: 'c',
  question: 'q',
  title: 'mean of age — patients',
  output_class: 'linear',
  rules: ['C1: enough patients'],
  units: '100-999',
  cells: 1,
  suppressed: 0,
  precision: '',
  policy: 'standard',
  chain: '0'.repeat(64),
  ...more
});

const WHOLE = { entries: 9, head: 'e'.repeat(64), broken_at: null };

class Fake implements IOwnerClient {
  connection = { room: 'ward', address: '127.0.0.1:1' };
  entries: readonly Left[] = [];
  asked: string[] = [];
  refuse = '';

  async state() {
    return this.connection;
  }
  async connect() {
    this.connection = { room: 'ward', address: '127.0.0.1:1' };
    return this.connection;
  }
  async room() {
    this.asked.push('room');
    return null as never;
  }
  async sessions() {
    if (this.refuse) {
      throw new Error(this.refuse);
    }
    return [];
  }
  async interrupt() {}
  async end() {}
  async requests() {
    return [REQUEST];
  }
  async examine() {
    return EXAMINED;
  }
  async decide(_: number, decision: Decision): Promise<Request> {
    this.asked.push(decision);
    if (this.refuse) {
      throw new Error(this.refuse);
    }
    return { ...REQUEST, state: decision === 'approve' ? 'approved' : 'rejected' };
  }
  async ledger(since: number, verify: boolean): Promise<LedgerPage> {
    this.asked.push(`ledger ${since}`);
    const entries = this.entries.filter(entry => entry.sequence > since);
    return { entries, verification: verify ? WHOLE : null };
  }
  async release(sequence: number) {
    return { left: left({ sequence }), code: 'patients.age.mean()' };
  }
  async experts() {
    return [];
  }
  async invite(name: string) {
    return { name, invitation: 'cleanroom://…' };
  }
  async revoke() {}
  async policy(): Promise<PolicyPage> {
    return POLICY;
  }
  async savePolicy(_: Settings, entry: number): Promise<PolicyPage> {
    return { ...POLICY, current: { ...POLICY.current, entry: entry + 1 } };
  }
  async rehearsal() {
    return REHEARSED;
  }
  async rehearse() {
    return REHEARSED;
  }
  async cancelRehearsal() {}
}

const ACTIONS: IOwnerActions = {
  connect: () => {},
  examine: () => {},
  decide: async () => {},
  interrupt: () => {},
  end: () => {},
  verify: () => {},
  open: () => {},
  save: () => {},
  invite: () => {},
  revoke: () => {},
  rehearse: () => {},
  cancelRehearsal: () => {},
  savePolicy: () => {}
};

const shown = (state: IOwnerState, actions: Partial<IOwnerActions> = {}) =>
  drawn(
    <OwnerView state={state} isConnected={!!state.connection?.room} waiting={1} actions={{ ...ACTIONS, ...actions }} />
  );

describe('model', () => {
  test('the ledger is read on from where it was, and verified once by itself', async () => {
    const fake = new Fake();
    const model = new OwnerModel(fake);
    fake.entries = [left(), left({ sequence: 5, number: 2 })];
    await model.refresh();
    fake.entries = [...fake.entries, left({ sequence: 7, number: 3 })];
    await model.refresh();
    expect(model.state.ledger.map(entry => entry.number)).toEqual([1, 2, 3]);
    expect(fake.asked.filter(what => what.startsWith('ledger'))).toEqual(['ledger 0', 'ledger 5']);
    expect(model.state.verification).toBe(WHOLE);
    expect(model.waiting).toBe(1);
  });

  test('what fails is said, and what was known stays', async () => {
    const fake = new Fake();
    const model = new OwnerModel(fake);
    await model.refresh();
    fake.refuse = 'The server does not answer.';
    await model.refresh();
    expect(model.state.failure).toBe('The server does not answer.');
    expect(model.state.requests).toHaveLength(1);
    await model.decide(3, 'approve', '');
    expect(model.state.done).toBe('');
    fake.refuse = '';
    await model.decide(3, 'approve', '');
    expect(model.state).toMatchObject({ failure: '', done: 'Request 3 is approved.' });
  });

  test('of a server that speaks for no owner nothing is asked', async () => {
    const fake = new Fake();
    fake.connection = { room: '', address: '' };
    const model = new OwnerModel(fake);
    await model.refresh();
    expect(model.isConnected).toBe(false);
    expect(fake.asked).toEqual([]);
    await model.connect('cleanroom+owner://…');
    expect(model.isConnected).toBe(true);
  });
});

describe('view', () => {
  let state: IOwnerState;
  beforeEach(async () => {
    const model = new OwnerModel(new Fake());
    await model.refresh();
    await model.examine(3);
    state = model.state;
  });

  test('the arrows go from section to section, and the Tab key stops at one', () => {
    const node = shown(state);
    const tabs = () => [...node.querySelectorAll('[role=tab]')];
    expect(tabs().map(tab => (tab as HTMLElement).tabIndex)).toEqual([0, -1, -1, -1, -1]);
    press(tabs()[0], 'ArrowRight');
    expect(tabs()[1].getAttribute('aria-selected')).toBe('true');
    expect(document.activeElement).toBe(tabs()[1]);
    expect(node.querySelector('[role=tabpanel]')!.textContent).toContain('mean of los_days');
    press(tabs()[1], 'ArrowLeft');
    press(tabs()[0], 'ArrowLeft');
    expect(tabs()[4].getAttribute('aria-selected')).toBe('true');
  });

  test('what an expert wrote is text', () => {
    const node = shown(state);
    click(button(node, 'Requests'));
    expect(node.querySelector('b')).toBeNull();
    expect(node.textContent).toContain('<b>Table 3</b>');
  });

  test('a request is returned only with words, and approved only if there is something to approve', async () => {
    const said: string[] = [];
    const onDecide = async (_: number, decision: Decision, comment: string) => {
      said.push(`${decision} ${comment}`);
    };
    const node = drawn(<ExaminedView examined={EXAMINED} onDecide={onDecide} />);
    expect(node.textContent).toContain('1,234.5');
    expect(button(node, 'Return')!.disabled).toBe(true);
    write(node.querySelector('textarea')!, 'which table?');
    expect(button(node, 'Return')!.disabled).toBe(false);
    await React.act(async () => button(node, 'Return')!.click());
    expect(said).toEqual(['return which table?']);
    const empty = drawn(<ExaminedView examined={{ ...EXAMINED, preview: null }} onDecide={onDecide} />);
    expect(button(empty, 'Approve')!.disabled).toBe(true);
  });

  test('a request that was decided has no buttons any more', () => {
    const decided = { ...EXAMINED, request: { ...REQUEST, state: 'approved' as const } };
    const node = drawn(<ExaminedView examined={decided} onDecide={ACTIONS.decide} />);
    expect(button(node, 'Approve')).toBeUndefined();
  });

  test('of a ledger of thousands a page is drawn, and everything is found', () => {
    const ledger = Array.from({ length: 5000 }, (_, i) =>
      left({ sequence: i + 1, number: i + 1, title: `question ${i + 1} — labs`, expert: i % 2 ? 'ada' : 'bob' })
    );
    const node = drawn(<LedgerView state={{ ...state, ledger }} actions={ACTIONS} />);
    expect(node.querySelectorAll('tbody tr')).toHaveLength(PAGE);
    write(node.querySelector('input')!, 'ada 4322');
    expect(node.querySelectorAll('tbody tr')).toHaveLength(1);
    write(node.querySelector('input')!, 'bob 4322');
    expect(node.querySelectorAll('tbody tr')).toHaveLength(0);
  });

  test('releases are narrowed by expert, table and rule', () => {
    const ledger = [
      left({ sequence: 1, title: 'mean of age — patients', expert: 'ada', rules: ['C1: enough'] }),
      left({ sequence: 2, title: 'rows by patients_id — labs, filtered', expert: 'bob', rules: ['C1: enough', 'C13: others'] })
    ];
    const schema = { tables: [{ name: 'patients' }, { name: 'labs' }] };
    const room = { ...state.room, schema } as unknown as IOwnerState['room'];
    const node = drawn(<LedgerView state={{ ...state, ledger, room }} actions={ACTIONS} />);
    const rows = () => [...node.querySelectorAll('tbody tr th')].map(cell => cell.textContent);
    const narrow = (label: string, value: string) => select(node.querySelector(`[aria-label=${label}]`)!, value);
    narrow('Table', 'patients');
    expect(rows()).toEqual(['ada']);
    narrow('Table', 'labs');
    expect(rows()).toEqual(['bob']);
    narrow('Table', '');
    narrow('Rule', 'C13');
    expect(rows()).toEqual(['bob']);
    narrow('Expert', 'ada');
    expect(rows()).toEqual([]);
  });

  test('a release opens its rules and the code of its cell', async () => {
    const model = new OwnerModel(new Fake());
    const opened: (number | null)[] = [];
    await model.open(5);
    const props = { ...state, ledger: [left({ sequence: 5 })] };
    const open = (sequence: number | null) => opened.push(sequence);
    const closed = drawn(<LedgerView state={props} actions={{ ...ACTIONS, open }} />);
    expect(closed.querySelector('pre')).toBeNull();
    click(button(closed, 'mean of age'));
    const node = drawn(<LedgerView state={{ ...props, release: model.state.release }} actions={{ ...ACTIONS, open }} />);
    expect(node.querySelector('pre')!.textContent).toBe('patients.age.mean()');
    expect(node.querySelector('[aria-label="Release 1"]')!.textContent).toContain('C1: enough patients');
    click(button(node, 'mean of age'));
    expect(opened).toEqual([5, null]);
  });

  test('the timeline counts every release in its hour or its day, and a click narrows to one', () => {
    const at = (time: string, sequence: number) => left({ time, sequence, number: sequence, cells: sequence });
    const hours = buckets([at('2026-01-01T10:05:00Z', 1), at('2026-01-01T10:55:00Z', 2), at('2026-01-01T12:00:00Z', 3)]);
    expect(hours.map(bucket => [bucket.releases, bucket.numbers])).toEqual([[2, 3], [0, 0], [1, 3]]);
    const years = Array.from({ length: 730 }, (_, day) => at(new Date(Date.UTC(2024, 0, day + 1)).toISOString(), day + 1));
    const found = buckets(years);
    expect(found.length).toBeLessThanOrEqual(91);
    expect(found.reduce((sum, bucket) => sum + bucket.releases, 0)).toBe(730);
    expect(buckets([])).toEqual([]);
    const ledger = [at('2026-01-01T10:05:00Z', 1), at('2026-01-05T10:00:00Z', 2)];
    const node = drawn(<LedgerView state={{ ...state, ledger }} actions={ACTIONS} />);
    click(node.querySelector('svg g'));
    expect(node.querySelectorAll('tbody tr')).toHaveLength(1);
    click(button(node, 'Jan'));
    expect(node.querySelectorAll('tbody tr')).toHaveLength(2);
  });

  test('a broken chain is said loudly', () => {
    const verification = { ...WHOLE, broken_at: 7 };
    const node = drawn(<LedgerView state={{ ...state, verification }} actions={ACTIONS} />);
    expect(node.querySelector('[role=alert]')!.textContent).toContain('NOT whole: entry 7');
  });

  test('who is not connected is asked for the line, hidden while typed', () => {
    const lines: string[] = [];
    const node = shown({ ...state, connection: { room: '', address: '' } }, { connect: line => lines.push(line) });
    const input = node.querySelector('input')!;
    expect(input.type).toBe('password');
    expect(button(node, 'Connect')!.disabled).toBe(true);
    write(input, 'cleanroom+owner://x');
    click(button(node, 'Connect'));
    expect(lines).toEqual(['cleanroom+owner://x']);
  });
});

test('in the exported ledger no cell is a formula, and quotes are kept', () => {
  const text = csv([left({ title: '=HYPERLINK("x")', expert: '@ada', rules: ['a, b', 'c'] })]);
  const [head, row] = text.trim().split('\r\n');
  expect(head.split(',').slice(0, 4)).toEqual(['number', 'time', 'expert', 'title']);
  expect(row).toContain(`'@ada,"'=HYPERLINK(""x"")"`);
  expect(row).toContain('"a, b; c"');
});
