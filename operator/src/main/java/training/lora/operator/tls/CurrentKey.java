package training.lora.operator.tls;

import java.net.Socket;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;

/** The server's key and certificate, asked for at each handshake, so that a new one needs no restart of the server. */
final class CurrentKey extends X509ExtendedKeyManager {
    private record Key(PrivateKey key, X509Certificate[] chain) {}

    private volatile @Nullable Key key;

    void serve(Credential credential) {
        key = new Key(credential.privateKey(), credential.certificates().toArray(X509Certificate[]::new));
    }

    boolean known() {
        return key != null;
    }

    /** Null, as long as there is none, ends the handshake. */
    private @Nullable String alias(String keyType) {
        Key now = key;
        return now != null && now.chain[0].getPublicKey().getAlgorithm().equals(keyType) ? "server" : null;
    }

    @Override
    public @Nullable String chooseEngineServerAlias(
            String keyType, Principal @Nullable [] issuers, @Nullable SSLEngine engine) {
        return alias(keyType);
    }

    @Override
    public @Nullable String chooseServerAlias(String keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
        return alias(keyType);
    }

    @Override
    public String @Nullable [] getServerAliases(String keyType, Principal @Nullable [] issuers) {
        String alias = alias(keyType);
        return alias == null ? null : new String[] {alias};
    }

    @Override
    public X509Certificate @Nullable [] getCertificateChain(String alias) {
        Key now = key;
        return now == null ? null : now.chain.clone();
    }

    @Override
    public @Nullable PrivateKey getPrivateKey(String alias) {
        Key now = key;
        return now == null ? null : now.key;
    }

    @Override
    public String @Nullable [] getClientAliases(String keyType, Principal @Nullable [] issuers) {
        return null;
    }

    @Override
    public @Nullable String chooseClientAlias(
            String[] keyTypes, Principal @Nullable [] issuers, @Nullable Socket socket) {
        return null;
    }
}
