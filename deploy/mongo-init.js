// Run once, when the database is made: a user that may read and write the database of the pools, and nothing else.
db.getSiblingDB(process.env.POOL_DATABASE).createUser({
  user: "rollforward",
  pwd: process.env.POOL_PASSWORD,
  roles: [{ role: "readWrite", db: process.env.POOL_DATABASE }],
});
