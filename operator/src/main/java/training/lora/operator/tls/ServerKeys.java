package training.lora.operator.tls;

import io.quarkus.tls.runtime.KeyStoreAndKeyCertOptions;
import io.quarkus.tls.runtime.KeyStoreProvider;
import io.smallrye.common.annotation.Identifier;
import io.vertx.core.Vertx;
import io.vertx.core.net.KeyCertOptions;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;

/** Quarkus' TLS configuration {@code progress}: {@code quarkus.http.tls-configuration-name} turns it on. */
@Singleton
@Identifier("progress") final class ServerKeys implements KeyStoreProvider {
    private final TlsKeeper keeper;

    ServerKeys(TlsKeeper keeper) {
        this.keeper = keeper;
    }

    /** The key store stays empty: the key changes while the server runs. */
    @Override
    public KeyStoreAndKeyCertOptions getKeyStore(Vertx vertx) {
        try {
            KeyStore empty = KeyStore.getInstance(KeyStore.getDefaultType());
            empty.load(null, null);
            return new KeyStoreAndKeyCertOptions(empty, KeyCertOptions.wrap(keeper.key()));
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException("this JVM has no key stores", e);
        }
    }
}
