import { Judged, KernelState, PolicyPage, Receipt, Rehearsed, Welcome } from '../protocol';

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

const SETTINGS = { preset: 'standard', minimum_units: 10, dominance_share: 0.85, endpoints: false };

export const POLICY: PolicyPage = {
  form: {
    fields: [
      { name: 'preset', kind: 'choice', help: 'Starting point.', least: null, most: null, choices: ['standard', 'strict'] },
      { name: 'minimum_units', kind: 'whole', help: 'Least number of patients.', least: 0, most: null, choices: [] },
      { name: 'dominance_share', kind: 'number', help: 'Share of the largest.', least: 0, most: 1, choices: [] },
      { name: 'endpoints', kind: 'truth', help: 'Whether extremes are shown.', least: null, most: null, choices: [] }
    ],
    presets: { standard: SETTINGS, strict: { ...SETTINGS, preset: 'strict', minimum_units: 20 } }
  },
  current: { preset: 'standard', settings: { dominance_share: 0.9 }, by: '', time: '2026-01-01T10:00:00.000Z', entry: 4 }
};

const judged = (number: number, more: Partial<Judged>): Judged => ({
  type: 'judged',
  number,
  question: 'q'.repeat(40),
  title: `question ${number}`,
  expert: 'ada',
  time: '2026-01-01T10:00:00Z',
  then: { outcome: 'released', rules: [], cells: 3, suppressed: 1, precision: 'at most 4 digits' },
  now: { outcome: 'released', rules: [], cells: 3, suppressed: 1, precision: 'at most 4 digits' },
  change: 'same',
  shown: 0,
  hidden: 0,
  moved: 0,
  why: '',
  ...more
});

export const REHEARSED: Rehearsed = {
  by: 'olga',
  ending: 'done',
  settings: { preset: 'strict' },
  seconds: 1.5,
  message: '',
  summary: { questions: 4, judged: 4, passes: 0, fails: 1, changes: 1, same: 1, left_out: 1 },
  rows: [
    judged(1, {}),
    judged(2, { change: 'changes', hidden: 2, moved: 1 }),
    judged(3, { change: 'fails', hidden: 1, now: { outcome: 'withheld', rules: ['minimum count'], cells: 0, suppressed: 0, precision: '' } }),
    judged(4, { change: 'left out', why: 'its plan was too large to be kept' })
  ]
};
