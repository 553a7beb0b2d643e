//! The page around one `@onehop/client`: puts the agent where the test can call it.

import { hop } from '@onehop/client';
import { clientAgent } from '../agents/client-core.mjs';

window.agent = clientAgent(hop);
