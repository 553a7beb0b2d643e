//! Wraps `axios.create` of the copy that the package `$SDK` uses, so that every request goes to `$BASE_URL`: method B of
//! docs/compatibility/socialplus.md. The package itself stays as published.

const { createRequire } = require('node:module');

const axios = createRequire(require.resolve(process.env.SDK))('axios');
const make = axios.create.bind(axios);
axios.create = (config) => make({ ...config, baseURL: process.env.BASE_URL, adapter: 'fetch' });
