//! The listings of docs/compatibility/socialplus.md, beside the packages that it says to install.

import { fileURLToPath } from 'node:url';
import { Listings as Shared } from '../../lib/listings.mjs';

const MODULES = fileURLToPath(new URL('../node_modules', import.meta.url));

export const Listings = { of: (...names) => Shared.of('socialplus.md', MODULES, ...names) };
