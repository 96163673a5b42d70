import { IClient } from '../client';
import { ofReply } from '../findings';
import { RoomModel } from '../model';
import { KernelState, Receipt } from '../protocol';
import { kernel, receipt, WELCOME } from './samples';

/** A server that says what it is told to, when it is told to. */
class Fake implements IClient {
  states: { [id: string]: KernelState } = {};
  released: readonly Receipt[] = [];
  asked: string[] = [];
  gate: Promise<void> = Promise.resolve();

  async state(id: string): Promise<KernelState> {
    this.asked.push('state');
    await this.gate;
    if (!(id in this.states)) {
      throw new Error('Not Found');
    }
    return this.states[id];
  }

  async receipts(): Promise<readonly Receipt[]> {
    this.asked.push('receipts');
    return this.released;
  }

  async description(): Promise<typeof WELCOME> {
    this.asked.push('description');
    return WELCOME;
  }

  async budget() {
    return { denials: 1, suppressed_cells: 2, days: 30 };
  }
  async requests(): Promise<[]> {
    return [];
  }

  async connect(): Promise<never> {
    throw new Error('not here');
  }
}

const withReceipts = (count: number, id = 'f'.repeat(32)) =>
  kernel({ session: { id, tier: 'A', execution_state: 'idle', receipts: count, expert: 'ada' } });

async function following(state: KernelState): Promise<[RoomModel, Fake]> {
  const fake = new Fake();
  fake.states['k'] = state;
  const model = new RoomModel(fake);
  model.follow('k');
  await model.refresh();
  return [model, fake];
}

test('receipts are fetched when the server has more, and each is there once', async () => {
  const [model, fake] = await following(withReceipts(0));
  expect(fake.asked).toEqual(['state', 'description']);
  fake.released = [receipt({ number: 2 }), receipt({ number: 1 })];
  fake.states['k'] = withReceipts(2);
  model.heard('k', ofReply('r', 'now', { cleanroom: { receipts: [receipt({ number: 2 })], denied: [] } })!);
  await model.refresh();
  await model.refresh();
  expect(model.state.receipts.map(one => one.number)).toEqual([1, 2]);
  expect(fake.asked.filter(what => what === 'receipts')).toHaveLength(1);
});

test('another session starts an empty list', async () => {
  const [model, fake] = await following(withReceipts(0));
  model.heard('k', ofReply('r', 'now', { cleanroom: { receipts: [receipt()], denied: [] } })!);
  fake.states['k'] = withReceipts(0, 'a'.repeat(32));
  await model.refresh();
  expect(model.state.receipts).toEqual([]);
});

test('a kernel that is none of ours is asked about once', async () => {
  const [model, fake] = await following(kernel({ connection: null, session: null }));
  await model.refresh();
  expect(model.isActive).toBe(false);
  expect(fake.asked).toEqual(['state']);
});

test('an answer about a kernel that is no longer in front is dropped', async () => {
  const [model, fake] = await following(kernel());
  let open = () => {};
  fake.gate = new Promise(resolve => (open = resolve));
  const late = model.refresh();
  model.follow(null);
  open();
  await late;
  expect(model.state.kernel).toBeNull();
});

test('denials are remembered by kernel, for when its notebook is in front again', async () => {
  const [model, fake] = await following(kernel());
  const metadata = { cleanroom: { receipts: [], denied: [{ kind: 'refusal', rule: 'limits' }] } };
  model.heard('k', ofReply('r', 'now', metadata)!);
  fake.states['other'] = kernel();
  model.follow('other');
  expect(model.state.denied).toEqual([]);
  model.follow('k');
  expect(model.state.denied).toMatchObject([{ request: 'r', kind: 'refusal', rule: 'limits', times: 1 }]);
});

test('a Jupyter server that does not answer is said, and forgotten when it does', async () => {
  const [model, fake] = await following(kernel());
  const state = fake.states['k'];
  delete fake.states['k'];
  await model.refresh();
  expect(model.state.failure).toBe('Not Found');
  expect(model.isActive).toBe(true);
  fake.states['k'] = state;
  await model.refresh();
  expect(model.state.failure).toBe('');
});

test('a session is on its way until there is one, or a reason why not', async () => {
  expect((await following(kernel({ session: null })))[0].isStarting).toBe(true);
  expect((await following(kernel()))[0].isStarting).toBe(false);
  const problem = { problem: 'revoked', message: '', reason: '' } as const;
  expect((await following(kernel({ session: null, problem })))[0].isStarting).toBe(false);
});
