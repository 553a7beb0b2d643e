//! Tokens and keys made once with Node's crypto module (20.20), so that another implementation holds ours. The keys are in use nowhere.
//!
//! All tokens say: iss https://issuer.example, sub user_é, aud [tollgate, x], iat = nbf 1700000000, exp 1700003600, jti j1, name Zoë.

/// HS256 under [`SECRET`], without `kid`.
pub(super) const HS256: &str = concat!(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_DqSIsImF1ZCI6WyJ",
    "0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoiajEiLCJuYW1lIjo",
    "iWm_DqyJ9.UyKXsLw_FBh63DjbjNld9E0EICLR-6znfG6yY7n8BHk"
);
/// HS384 under [`SECRET`], without `kid`.
pub(super) const HS384: &str = concat!(
    "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_DqSIsImF1ZCI6WyJ",
    "0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoiajEiLCJuYW1lIjo",
    "iWm_DqyJ9.Iv3f8RfxEooeePAbJfDNg5iZhq_ugdTsAwIEDgJ7wZBvVKwv2Ivq0CT2A4BvPLbM"
);
/// HS512 under [`SECRET`], without `kid`.
pub(super) const HS512: &str = concat!(
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_DqSIsImF1ZCI6WyJ",
    "0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoiajEiLCJuYW1lIjo",
    "iWm_DqyJ9.k1U2jtHN-Rx6OvY0eYSTykwKG9unEw7U5vEt4WG7SbERVlJH8zRT3IIUwLHcG29Z7XH5GRGDHiYUabHIJKGRnw"
);
/// RS256 under [`RSA_JWK`], `kid` k.
pub(super) const RS256: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_Dq",
    "SIsImF1ZCI6WyJ0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoia",
    "jEiLCJuYW1lIjoiWm_DqyJ9.tIcDfifiHbdTA5m4EsOSapajrHCx6W-w1uelW1GhZmPfsb8BVv1qVoX7uxSEElStYQuxw24e57DMmU7M9zY7eAtf",
    "mkS4c5jUFSyNlVWrglLgSSRdKkq41Nk9V6eSF19rdQubWtGMrXS_lTqZlhIjAr8osVfFKeyINHpVJ7MChZFBkek3lbQhoI2xwCykjDjUpNJ5MNgH",
    "X9ucZVpOKjCaQVV3Tw63w7vsI5CnJfPfELshqlSgSjX2qCYvfwpJw-8kw_x1qA9glRuOZjUQDXbC4zUjJ2Lod18BdnzgSF42U_UKnRB2yrN0Yiot",
    "S1YFBQqD4dbaBfIU3VGLdBNuUqpSXw"
);
/// RS384 under [`RSA_JWK`], `kid` k.
pub(super) const RS384: &str = concat!(
    "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_Dq",
    "SIsImF1ZCI6WyJ0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoia",
    "jEiLCJuYW1lIjoiWm_DqyJ9.XSJRP4x7MZHbI6vzMg8gL_PYpiGHjnyNv2n0kqYsAvsfvJ4snMCJuIM4nyNNpJql9pRnYsJNg5jTl7dSkFzyZzNo",
    "n5X8pOA2GBJ52Yb2QmwbGgITVmFWCsN4g7oy3JKlQmXQIG5KDP4HJ-fUy7YdyzSzDypb59StkxgZS8oOMEaAYhTtXjwdaHZqkK--WPn5-lLb6-AV",
    "i4XnJwV4yOn2qqMJXIB7AVaotf-ce1PtmquBf7k3JrwcmNf0-r9Y_K6LIfrRxiNJHvt-B3gOvJwiroaY-KwplZI-Rm7Hs8PlqWMHl7QuHwXgaxlu",
    "FZe-OScW9LVJ6Rv2uRrRrvJJJH641w"
);
/// RS512 under [`RSA_JWK`], `kid` k.
pub(super) const RS512: &str = concat!(
    "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_Dq",
    "SIsImF1ZCI6WyJ0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoia",
    "jEiLCJuYW1lIjoiWm_DqyJ9.IGVhJvhBAxn_YR2kN4btzLKv3gx4Tue02QpcORXv8R5Cj9iyXqiIc0Cq4HtL21zFWThIANwscUvwHQWaGofkpJ5o",
    "EtVy6RJ9YdSpnZbd3HX6H3f6xbiSH_xVXixm-KNIESfERPss4QtWUAcstwTTyiApbEPQsK9Mhr_rWPA_Xjfggn5LOLBrqJGUTuWl9tnZ8zMY9e8b",
    "zA9OFNUwvKUfai3CbLevfQswGWFXZKs0awQdfzU7N-9u5ove5erwZTjI2XAC_7l_Pd2GH2OB_J2-fm44DCrrK9ycBG7NrQNuPLddmoT9rgYcrurm",
    "ZnwQzBCsuj7cXjnvTzhLpLT5zJsjdg"
);
/// PS256 under [`RSA_JWK`], `kid` k.
pub(super) const PS256: &str = concat!(
    "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_Dq",
    "SIsImF1ZCI6WyJ0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoia",
    "jEiLCJuYW1lIjoiWm_DqyJ9.Uiiw24ZsOr4BIoE_ja_kLym6yz77TNt-jtL3I3QUVWQQadraPpb6I4AkihWylA59iBu3ZAL8BS4XO-e_60Fkhljb",
    "EM18Exzoj9ZKS_M6ouM8-OVQqLCZoKdQ0BAxJjH1j5N5-H1kDFTSGBi-qZIJG35Yh_6sRZb9kKi9hTzscHoAgzZsWJWQeW7oxD1TjtoOXwNHD7ec",
    "ilsjMRUU76x9PNKzOp1orTfVG79RPFPAQBgFV-jP_6fEAHi2BvvP-LVXPaKPtlLVoFaoUVK2CoOHd2DxQon8OuKkSVprKWMtvGGOUiQyt02dwwcR",
    "PVF8ekWpvr-UJ3x5gAmylQaM3hHFgA"
);
/// ES256 under [`P256_JWK`], `kid` k.
pub(super) const ES256: &str = concat!(
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_Dq",
    "SIsImF1ZCI6WyJ0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoia",
    "jEiLCJuYW1lIjoiWm_DqyJ9.QN5vu1vFJgR6xsqKvOv0q-WUXxRQ4rJov_JRh78SiTvkfvKxrApKacRWXx4QLRJhYo5YaUd1i40H4xvQxcngcw"
);
/// ES384 under [`P384_JWK`], `kid` k.
pub(super) const ES384: &str = concat!(
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_Dq",
    "SIsImF1ZCI6WyJ0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoia",
    "jEiLCJuYW1lIjoiWm_DqyJ9.cTxf9aaWsomfeZbcmEhjSfTYCk0DRgeg5vu-HmyF1ugUGPO5Qe4VVHtkYXCXkKo_0iSZf098BMyla7map_lwnf0P",
    "ccKliq3RWusRz_M9DImiSNx0o4Ivd4haAFQxcIXU"
);
/// EdDSA under [`ED_JWK`], `kid` k.
pub(super) const EDDSA: &str = concat!(
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_Dq",
    "SIsImF1ZCI6WyJ0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoia",
    "jEiLCJuYW1lIjoiWm_DqyJ9.j_QiScid9xcUojEbN8M56HtvNqZ6FiQH59LtgFBo8IkEr2WnbAlnQqkpqf5E7MytV0Tf9MZ48hXuXQfFsjXsDw"
);
/// PS256 with a salt of 0 bytes instead of 32.
pub(super) const PS256_NO_SALT: &str = concat!(
    "eyJhbGciOiJQUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_DqSIsImF1ZCI6WyJ0b",
    "2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoiajEiLCJuYW1lIjoiW",
    "m_DqyJ9.MnWb-AhuCWOaL38uRF5CGvUcGtNOJXaFPLy6HTde-NvTaMkP13DgHnNag_GvA7uRYitYnOwv0DrrLSP0PDmoidUSoKXiTVIqZtHTnV8e",
    "yM1XGAJJaIOiAaG5AMTnvaevnmPCZ8He1bHj5IAkBTkVEQ3nnoSYkEIL1aeCqfKHXF-sueoR7t1-l_r1gZh_BSfKWFeQ3x8-05ABxXB_Dv8b6sF3",
    "JLjgH_iGPFkQVOZfP5wI5OTa4QuyO898oAsf6jFlUWmiUuD7BnkmlV3xvgc3FoVIjeHe7q8_cZE3Pqrl0eVAebsNvIyHAXkFaJ9ibuLQ8nCroXDd",
    "gdhTSs1mGb_3Ew"
);
/// ES256 with the signature as DER instead of two numbers.
pub(super) const ES256_DER: &str = concat!(
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_DqSIsImF1ZCI6WyJ0b",
    "2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoiajEiLCJuYW1lIjoiW",
    "m_DqyJ9.MEUCIQDr-VkrZ6tug6UMU6af-QwiiatPG59ocIe8HF8Hws1bagIgKrUFPyKjH0mzP6k4H78Kf_gnLQrZygVGLfFNDUPk75Q"
);
/// HS256 under the text of [`RSA_PEM`]: the classic confusion.
pub(super) const CONFUSED: &str = concat!(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidXNlcl_Dq",
    "SIsImF1ZCI6WyJ0b2xsZ2F0ZSIsIngiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwianRpIjoia",
    "jEiLCJuYW1lIjoiWm_DqyJ9.7vgFe246Q5rs65eezRtjMD0i1wPoKpiGd58Dgg7ZLxY"
);
pub(super) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// The public key as a JWK, without `alg` and `kid`.
pub(super) const RSA_JWK: &str = concat!(
    "{\"kty\":\"RSA\",\"n\":\"vlDQ0s3g41MwVZkEqA220ykYssavy-PYgF-6R_52jhYBwz2aEfi-nIH1X5mg18zHdqZl9so0YVbZBFXEfNOXd1BrBFuZtM",
    "FzqONgJr0Tf5-oJr1ePXG9SEsUfwGkd59ow3mqooKP2kch02mJWl-Hck7cCKOrsFfqvozMDcjQgiGht7t4usjkNTcT-58OdmBaXPOmeAnvyg3_XT",
    "FnXbqNdt6TyE5bxWc4YkTTBSnaTiO6APkXKrhaospd3B9Oy0KcVtJZJW8HqXGWbu0DOCzv2bW8RSjWcXBnW65CP7NfyY1Lij3-XNRe4Bu3dpqrXw",
    "PEjyo52p11cpCL-BKbzuRaOQ\",\"e\":\"AQAB\"}"
);
/// The same as PEM.
pub(super) const RSA_PEM: &str = concat!(
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvlDQ0s3g41MwVZkEqA22\n0ykYssavy+PYgF+6R/52",
    "jhYBwz2aEfi+nIH1X5mg18zHdqZl9so0YVbZBFXEfNOX\nd1BrBFuZtMFzqONgJr0Tf5+oJr1ePXG9SEsUfwGkd59ow3mqooKP2kch02mJWl+H\nck",
    "7cCKOrsFfqvozMDcjQgiGht7t4usjkNTcT+58OdmBaXPOmeAnvyg3/XTFnXbqN\ndt6TyE5bxWc4YkTTBSnaTiO6APkXKrhaospd3B9Oy0KcVtJZJ",
    "W8HqXGWbu0DOCzv\n2bW8RSjWcXBnW65CP7NfyY1Lij3+XNRe4Bu3dpqrXwPEjyo52p11cpCL+BKbzuRa\nOQIDAQAB\n-----END PUBLIC KEY---",
    "--\n"
);
/// The public key as a JWK, without `alg` and `kid`.
pub(super) const P256_JWK: &str = concat!(
    "{\"kty\":\"EC\",\"x\":\"CO-67CeaEm4SP_SElSCmzGHxj8Ay-s5mgvZGTnmLqDI\",\"y\":\"xuVTivuGE_lcPLdpvWsnhMp8827Phe6UKdPtK4HZtmw\",",
    "\"crv\":\"P-256\"}"
);
/// The same as PEM.
pub(super) const P256_PEM: &str = concat!(
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECO+67CeaEm4SP/SElSCmzGHxj8Ay\n+s5mgvZGTnmLqDLG5VOK",
    "+4YT+Vw8t2m9ayeEynzzbs+F7pQp0+0rgdm2bA==\n-----END PUBLIC KEY-----\n"
);
/// The public key as a JWK, without `alg` and `kid`.
pub(super) const P384_JWK: &str = concat!(
    "{\"kty\":\"EC\",\"x\":\"ofgwtuAOG-5FYg-DSqx_s_IfLlcgHb_4AZDYUtGr0_AYiLjx8WGd6MoXXkJ0Nm_k\",\"y\":\"TngSvSzqKPC39Fuu22uJlEL0",
    "7jIlPFPgwn_bjUh_RLDwhK2T0FRCys5uEYeVSxL7\",\"crv\":\"P-384\"}"
);
/// The same as PEM.
pub(super) const P384_PEM: &str = concat!(
    "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEofgwtuAOG+5FYg+DSqx/s/IfLlcgHb/4\nAZDYUtGr0/AYiLjx8WGd",
    "6MoXXkJ0Nm/kTngSvSzqKPC39Fuu22uJlEL07jIlPFPg\nwn/bjUh/RLDwhK2T0FRCys5uEYeVSxL7\n-----END PUBLIC KEY-----\n"
);
/// The public key as a JWK, without `alg` and `kid`.
pub(super) const ED_JWK: &str =
    "{\"crv\":\"Ed25519\",\"x\":\"O6s3jPGo_kR2ntwDruMkwYP6m5QEeH-mR7gpZuPjuFk\",\"kty\":\"OKP\"}";
/// The same as PEM.
pub(super) const ED_PEM: &str = concat!(
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAO6s3jPGo/kR2ntwDruMkwYP6m5QEeH+mR7gpZuPjuFk=\n-----END PUBLIC KEY-----",
    "\n"
);
/// Too short.
pub(super) const RSA_1024_JWK: &str = concat!(
    "{\"kty\":\"RSA\",\"n\":\"wv2JGStvQexREX96qRlhk4A4nLwXU8v7OsoN8FpxDjQjJfLpetl-hV61aSMZCyk-t0GBkss_RXYhO8cgCNjmNRoW6c1mTq",
    "5jsq7nlLs_yKkSbfY6rhdqKWIdWX9tYBr2ZSS8uH6ykr-dr6KbK41CJrjAbAropWrC4ADT21NEpDM\",\"e\":\"AQAB\"}"
);
/// Too short.
pub(super) const RSA_1024_PEM: &str = concat!(
    "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDC/YkZK29B7FERf3qpGWGTgDic\nvBdTy/s6yg3wWnEONCMl",
    "8ul62X6FXrVpIxkLKT63QYGSyz9FdiE7xyAI2OY1Ghbp\nzWZOrmOyrueUuz/IqRJt9jquF2opYh1Zf21gGvZlJLy4frKSv52vopsrjUImuMBs\nCu",
    "ilasLgANPbU0SkMwIDAQAB\n-----END PUBLIC KEY-----\n"
);
/// A curve that we do not know.
pub(super) const P521_JWK: &str = concat!(
    "{\"kty\":\"EC\",\"x\":\"AV84ZLV2Ir54FaafwRly1JqOT8ltoxVTYFta4cQmRWrkIgGBxKxIHqHPIZHG_ccrfyiYEsfGOhEThliK49InIndb\",\"y\":\"",
    "ARiuoJAPgy5vlU_9vXHAJ1Qt-SstRQbgWXocN5iHICQ3uNXTeFdY7QMG4-9L3PALm701A26QRHXlZ1IAqHFuebmM\",\"crv\":\"P-521\"}"
);
/// A curve that we do not know.
pub(super) const P521_PEM: &str = concat!(
    "-----BEGIN PUBLIC KEY-----\nMIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBXzhktXYivngVpp/BGXLUmo5PyW2j\nFVNgW1rhxCZFauQiAYHE",
    "rEgeoc8hkcb9xyt/KJgSx8Y6EROGWIrj0icid1sBGK6g\nkA+DLm+VT/29ccAnVC35Ky1FBuBZehw3mIcgJDe41dN4V1jtAwbj70vc8AubvTUD\nbp",
    "BEdeVnUgCocW55uYw=\n-----END PUBLIC KEY-----\n"
);
/// The RSA key in the older form.
pub(super) const RSA_PKCS1_PEM: &str = concat!(
    "-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEAvlDQ0s3g41MwVZkEqA220ykYssavy+PYgF+6R/52jhYBwz2aEfi+\nnIH1X5mg18zHdqZl",
    "9so0YVbZBFXEfNOXd1BrBFuZtMFzqONgJr0Tf5+oJr1ePXG9\nSEsUfwGkd59ow3mqooKP2kch02mJWl+Hck7cCKOrsFfqvozMDcjQgiGht7t4usj",
    "k\nNTcT+58OdmBaXPOmeAnvyg3/XTFnXbqNdt6TyE5bxWc4YkTTBSnaTiO6APkXKrha\nospd3B9Oy0KcVtJZJW8HqXGWbu0DOCzv2bW8RSjWcXBnW",
    "65CP7NfyY1Lij3+XNRe\n4Bu3dpqrXwPEjyo52p11cpCL+BKbzuRaOQIDAQAB\n-----END RSA PUBLIC KEY-----\n"
);
/// The private key, PKCS #8 as base64.
pub(super) const P256_PKCS8: &str = concat!(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZERItsLAfoLDU7bEgPczE2+uxo3qR8flp1jHVs9JtJOhRANCAAQI77rsJ5oSbhI/",
    "9ISVIKbMYfGPwDL6zmaC9kZOeYuoMsblU4r7hhP5XDy3ab1rJ4TKfPNuz4XulCnT7SuB2bZs"
);
/// The private key, PKCS #8 as base64.
pub(super) const ED_PKCS8: &str = "MC4CAQAwBQYDK2VwBCIEIMTjmTU2cm7u6GU56g3FgbjiVAdoYL8XbmTqjNQU9She";
/// The private key, PKCS #8 as base64.
pub(super) const RSA_PKCS8: &str = concat!(
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC+UNDSzeDjUzBVmQSoDbbTKRiyxq/L49iAX7pH/naOFgHDPZoR+L6cgfVfmaDX",
    "zMd2pmX2yjRhVtkEVcR805d3UGsEW5m0wXOo42AmvRN/n6gmvV49cb1ISxR/AaR3n2jDeaqigo/aRyHTaYlaX4dyTtwIo6uwV+q+jMwNyNCCIaG3",
    "u3i6yOQ1NxP7nw52YFpc86Z4Ce/KDf9dMWdduo123pPITlvFZzhiRNMFKdpOI7oA+RcquFqiyl3cH07LQpxW0lklbwepcZZu7QM4LO/ZtbxFKNZx",
    "cGdbrkI/s1/JjUuKPf5c1F7gG7d2mqtfA8SPKjnanXVykIv4EpvO5Fo5AgMBAAECggEAFkwVHzGQQMnxDoJKPZ83tYcp1d453/cumSG+CyvIu45f",
    "//4iZCsit+bw9tWits3O67uElDSuDN52OBANYHuQ0iGJnD3YJQmKMbYMAJXj6C6uLnW+yg+el872FIg+euZiCY7iWz5VOMNfNuv1M/GfxphvJpL4",
    "bUVrow4PZSkLJseyr7oTeDHNBR1RjkV6Ma97O2dTnT3px3cGeDT40oJdHFMIZykMl13pz8n3LhQpfc+wc8SaolCDkd7gw8qv9Ts70NbCoWf6x21t",
    "6h678KaTbPLOlfRF2GIoL35jvFwqynwCG3KPjO7E8yq+9i2pjnIMPujyTzF23Dh/amT2GsjK9QKBgQDk0yaoq27rSSXVqOLHDC1UfmN5jk/BExo7",
    "SkKxzRVr9gofafqQ7aptGvRPDiwtJsYQoUchzozJ0GXifQMIuykisgaETjvP5p0P6aeMLz2n8a/f5TFkz+6xKVmR76ONxGKy0dY5ZVS1hl1ZDSq/",
    "8kSD7Wral7zU52c/KYZUMIGK3QKBgQDU6uQB7/OzQlNi3KHoTe2+Q+anI3kM3o0T+eDyYScsVTCvRoPg1XhbGKUHBsqcxqNG62IpAgLpCZcUolXv",
    "1EvRgucSbJJ1ViYB9JVbLrFY+eCmtldJ//6r1LT8gU9BO21XkLc4jTr/8ongpwOFOzLwajp+LAV9+KH28v5jnewxDQKBgCLAUpGxH3JKNJ3DPVWf",
    "as73NuJCE6it3wD8IS7hh4xS3Gyy6qPSBFz3h/ztmRXuWowyAhyHQuhvZtnDxI8x5Whogwba3siPLHE7Of/XONTlpqEpLJwz2/s53WmFbGBeX+Lq",
    "bU9gLUI4OrsIfeKSx4cFqoGyI7JtxkdYZhcpGrNdAoGAH+CbCn82aVxAx8hopTMlqRrZaaSx9u9LB/adayyIhOasR1GzZPIQ9vKVoputshM7Vt7e",
    "72zRqro42GoFm8aZI2EJ34RJ2S9wuVI5GlG/U6b1r4AVSYr+QhOylSt3Bjkzgay1Ac6DStaxNeVLbaMTWVNONp24pMeY2DRBSgDW3/ECgYEArCxi",
    "NkXBYOjuGVBw2lb4aO7MwS+g4x8z4rGKBz0g+2oRqTF1/DyeLTHX5kJaHzcztvvcyz1WdP/9S5sjwxA1WdgQDYiFRW5Pn+hchS190+BlrrhpaWKK",
    "OUQt8lWzRVUXiBYd0+6KadpXdHNpY5xzOhaaZmR6yyUDV06JksjRXoA="
);
/// An access token of ours as Node spells and signs it: ES256, the thumbprint of the sample key as `kid`.
pub(super) const OUR_ES256: &str = concat!(
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IkVaNUhZLWliS3hqWlAyN0RpOENvNzVqMGc0OTB6U3ZxVUhySWoyT3psUTQiLCJ0eXAiOiJKV1QifQ.eyJpc",
    "3MiOiJodHRwczovL2NoYXQuZXhhbXBsZSIsInN1YiI6InVzZXJfMSIsImF1ZCI6IndlYiIsImlhdCI6MTAwMCwiZXhwIjoyMDAwLCJuYmYiOjEwM",
    "DAsImp0aSI6InRva19OREkiLCJnZW4iOjQyOTQ5NjcyOTUsInByb2plY3QiOiJwcm9qZWN0X053IiwidXNlciI6eyJ1c2VySWQiOiJ1c2VyXzEiL",
    "CJwdWJsaWNVc2VySWQiOiJqYW5lIFwiw6lcIiDwn6aAIiwibmV0d29ya0lkIjoicHJvamVjdF9OdyIsImRpc3BsYXlOYW1lIjoiSmFuZSBEb2Uif",
    "X0.U_HzRpSwBnYMI3y_AXoB3Fz6VOhg0AYhxllpFLDj8Dqbt20KgcZ9RCLcXkTvoyGtkA5dMec8yxVBgUSYfrkXfQ"
);
/// An access token of ours as Node spells and signs it: EdDSA, the thumbprint of the sample key as `kid`.
pub(super) const OUR_EDDSA: &str = concat!(
    "eyJhbGciOiJFZERTQSIsImtpZCI6IlB4aWR0Q3ZkWWhlRDFLbVBneG1YMTk3OGUyWWFBdkRldXRZU2E3U2gwRHciLCJ0eXAiOiJKV1QifQ.eyJpc",
    "3MiOiJodHRwczovL2NoYXQuZXhhbXBsZSIsInN1YiI6InVzZXJfMSIsImF1ZCI6IndlYiIsImlhdCI6MTAwMCwiZXhwIjoyMDAwLCJuYmYiOjEwM",
    "DAsImp0aSI6InRva19OREkiLCJnZW4iOjQyOTQ5NjcyOTUsInByb2plY3QiOiJwcm9qZWN0X053IiwidXNlciI6eyJ1c2VySWQiOiJ1c2VyXzEiL",
    "CJwdWJsaWNVc2VySWQiOiJqYW5lIFwiw6lcIiDwn6aAIiwibmV0d29ya0lkIjoicHJvamVjdF9OdyIsImRpc3BsYXlOYW1lIjoiSmFuZSBEb2Uif",
    "X0.GaSDo9lSFWqDsvei646Og90_L_JKNz5VEC2nizu2B0ugXKkC_2ctfLjFCms7bdVzS5ss403Aq_A2Rd9CATV_CA"
);
/// An access token of ours as Node spells and signs it: RS256, the thumbprint of the sample key as `kid`.
pub(super) const OUR_RS256: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IlZQTFJFQUg5Zjg5WG53V3prek1vdHpTeUQxRWNIdWdWOGc5SWVmMFNtNVkiLCJ0eXAiOiJKV1QifQ.eyJpc",
    "3MiOiJodHRwczovL2NoYXQuZXhhbXBsZSIsInN1YiI6InVzZXJfMSIsImF1ZCI6IndlYiIsImlhdCI6MTAwMCwiZXhwIjoyMDAwLCJuYmYiOjEwM",
    "DAsImp0aSI6InRva19OREkiLCJnZW4iOjQyOTQ5NjcyOTUsInByb2plY3QiOiJwcm9qZWN0X053IiwidXNlciI6eyJ1c2VySWQiOiJ1c2VyXzEiL",
    "CJwdWJsaWNVc2VySWQiOiJqYW5lIFwiw6lcIiDwn6aAIiwibmV0d29ya0lkIjoicHJvamVjdF9OdyIsImRpc3BsYXlOYW1lIjoiSmFuZSBEb2Uif",
    "X0.Ut4lCKda9QuEhiTRazUKKcWt_x4BZEl8wArGdEsp6OmAkdyRoOW1RfPDNWRImBqCEbuhtTKMV0M2fpeKOsLw9ZNJoqtvOLJ2fCX0czJtph3ix",
    "TcfKa9RjagyGBwWPG3vvpYxMNl4NXo0zoLXhwv7fw4tZZ32IIyxAoD3Fne29nNtgAJW0-vKS58VHUSkPqPcOYC2I3T3eSAHagXessAmCqRdCy6GZ",
    "OItUIoWkpl_MfymyXbRyZfpu53XfkTy_RwJeRPBJenU8VxcLHZ0TPCmtoBYppTHGRghdmj5fO7cSjxZ87QQNBYXOyYHSIEQ68DkwP_c9udpRNujO",
    "wqmTk-WWA"
);
