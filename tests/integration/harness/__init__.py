# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on: a private token, database and CA, daemons, and clients."""
