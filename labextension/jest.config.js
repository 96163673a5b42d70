// Tests are of what is ours: models, words and views, none of which needs JupyterLab itself.
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
  transform: { '\\.tsx?$': ['@swc/jest', swc] }
};
