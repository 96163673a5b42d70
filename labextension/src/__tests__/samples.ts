import { KernelState, Receipt, Welcome } from '../protocol';

export function receipt(more: Partial<Receipt> = {}): Receipt {
  return {
    number: 1,
    question: 'ab',
    output_class: 'linear',
    title: 'mean of age — patients',
    rules: ['C1: At least 10 patients stand behind every number.'],
    units: '100-999',
    cells: 3,
    suppressed: 1,
    precision: 'rounded to 0.1',
    policy: 'standard',
    expert: 'ada',
    session: 's',
    cell: 'request-1',
    time: '2026-01-01T10:00:00Z',
    chain: '0'.repeat(64),
    ...more
  };
}

export function kernel(more: Partial<KernelState> = {}): KernelState {
  return {
    connection: { name: 'cleanroom', room: 'ward', address: 'room.example:8443', tls: true },
    version: '0.1.0',
    tier: 'A',
    session: { id: 'f'.repeat(32), tier: 'A', execution_state: 'idle', receipts: 0, expert: 'ada' },
    problem: null,
    ...more
  };
}

const COLUMN = {
  lower: null,
  upper: null,
  categories: null,
  ordered: false,
  one_unit: false,
  unique: false,
  nullable: true,
  description: '',
  measured_in: ''
};

export const WELCOME: Welcome = {
  type: 'welcome',
  version: 1,
  preset: 'standard',
  settings: [],
  units: { patients: '100-999' },
  schema: {
    name: 'ward',
    unit_name: 'patient',
    description: '',
    tables: [
      {
        name: 'patients',
        description: 'One row per patient.',
        aliases: [],
        columns: [
          { ...COLUMN, name: 'id', dtype: 'integer', role: 'unit' },
          { ...COLUMN, name: 'age', dtype: 'integer', role: 'feature', lower: 0, upper: 120, measured_in: 'years' },
          { ...COLUMN, name: 'sex', dtype: 'string', role: 'feature', categories: ['female', 'male'] }
        ]
      },
      { name: 'wards', description: '', aliases: [], columns: [{ ...COLUMN, name: 'ward', dtype: 'string', role: 'key' }] }
    ]
  }
};
