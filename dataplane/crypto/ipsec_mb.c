// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/backend.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <string.h>

// The inner and outer state of HMAC after the padded key.
struct hmac_pads {
	alignas(16) uint8_t inner[SHA256_BYTES];
	alignas(16) uint8_t outer[SHA256_BYTES];
};

union expanded {
	struct gcm_key_data gcm;
	struct hmac_pads hmac;
};

static int mb_open(void **state) {
	IMB_MGR *mgr = alloc_mb_mgr(0);
	IMB_ARCH arch;

	if (mgr == nullptr)
		return -ENOMEM;
	init_mb_mgr_auto(mgr, &arch);
	if (arch == IMB_ARCH_NONE || imb_get_errno(mgr) != 0) {
		free_mb_mgr(mgr);
		return -ENOTSUP;
	}
	*state = mgr;
	return 0;
}

static void mb_close(void *state) {
	if (state != nullptr)
		free_mb_mgr(state);
}

static bool mb_gcm_expand(void *state, void *expanded, const uint8_t key[GCM_KEY_BYTES]) {
	union expanded *e = expanded;

	IMB_AES128_GCM_PRE((IMB_MGR *)state, key, &e->gcm);
	return true;
}

static void mb_forget(void *expanded) {
	crypto_wipe(expanded, sizeof(union expanded));
}

static void mb_gcm_crypt(
	void *state,
	void *expanded,
	bool encrypt,
	const uint8_t *nonce,
	struct view aad,
	struct view in,
	uint8_t *out,
	uint8_t *tag
) {
	IMB_MGR *mgr = state;
	union expanded *e = expanded;
	struct gcm_context_data scratch;

	if (encrypt)
		IMB_AES128_GCM_ENC(
			mgr,
			&e->gcm,
			&scratch,
			out,
			in.p,
			in.len,
			nonce,
			aad.p,
			aad.len,
			tag,
			GCM_TAG_BYTES
		);
	else
		IMB_AES128_GCM_DEC(
			mgr,
			&e->gcm,
			&scratch,
			out,
			in.p,
			in.len,
			nonce,
			aad.p,
			aad.len,
			tag,
			GCM_TAG_BYTES
		);
}

static bool mb_hmac_expand(void *state, void *expanded, const uint8_t *key, uint8_t len) {
	union expanded *e = expanded;

	imb_hmac_ipad_opad(state, IMB_AUTH_HMAC_SHA_256, key, len, e->hmac.inner, e->hmac.outer);
	return true;
}

// One message at a time: the next frame's window depends on this one's tag.
static bool mb_hmac(void *state, void *expanded, struct view in, uint8_t *out) {
	IMB_MGR *mgr = state;
	union expanded *e = expanded;
	IMB_JOB *job = IMB_GET_NEXT_JOB(mgr);

	memset(job, 0, sizeof(*job));
	job->cipher_mode = IMB_CIPHER_NULL;
	job->chain_order = IMB_ORDER_HASH_CIPHER;
	job->cipher_direction = IMB_DIR_ENCRYPT;
	job->hash_alg = IMB_AUTH_HMAC_SHA_256;
	job->src = in.p;
	job->msg_len_to_hash_in_bytes = in.len;
	job->auth_tag_output = out;
	job->auth_tag_output_len_in_bytes = SHA256_BYTES;
	job->u.HMAC._hashed_auth_key_xor_ipad = e->hmac.inner;
	job->u.HMAC._hashed_auth_key_xor_opad = e->hmac.outer;
	job = IMB_SUBMIT_JOB(mgr);
	if (job == nullptr)
		job = IMB_FLUSH_JOB(mgr);
	return job != nullptr && job->status == IMB_STATUS_COMPLETED;
}

static void mb_sha256(void *state, struct view in, uint8_t *out) {
	IMB_SHA256((IMB_MGR *)state, in.p, in.len, out);
}

const struct crypto_backend_ops crypto_ipsec_mb = {
	.name = "ipsec-mb",
	.key_bytes = sizeof(union expanded),
	.open = mb_open,
	.close = mb_close,
	.gcm_expand = mb_gcm_expand,
	.gcm_forget = mb_forget,
	.gcm_crypt = mb_gcm_crypt,
	.hmac_expand = mb_hmac_expand,
	.hmac_forget = mb_forget,
	.hmac = mb_hmac,
	.sha256 = mb_sha256,
};
