// Modules of JupyterLab come as ES modules; SWC makes what jest can load of them and of our TypeScript.
const swc = {
  jsc: {
    parser: { syntax: 'typescript', tsx: true },
    transform: { react: { runtime: 'classic' } },
    target: 'es2021'
  },
  module: { type: 'commonjs' }
};

module.exports = {
  testEnvironment: 'jsdom',
  testMatch: ['<rootDir>/src/**/__tests__/*.test.ts?(x)'],
  transform: { '\\.[jt]sx?$': ['@swc/jest', swc] },
  transformIgnorePatterns: ['/node_modules/(?!(@jupyterlab|@jupyter|@lumino|lib0|y-protocols|yjs|nanoid)/)'],
  moduleNameMapper: {
    '\\.css$': '<rootDir>/src/__tests__/empty.js',
    '\\.svg$': '<rootDir>/src/__tests__/empty.js'
  }
};
