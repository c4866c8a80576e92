/* Get.java -- Java's HttpsURLConnection as a client of the tests: one page as it comes, then one for each cipher
 * suite named. Prints "offered chosen" a line; chosen is "-" when this Java does not offer the suite.
 * Usage: java -Djdk.net.hosts.file=HOSTS Get.java URL CA-FILE [IANA-SUITE...] */
import java.io.FileInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URL;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import javax.net.ssl.*;

public class Get {
	/* Sockets that offer one suite. */
	static class OneSuite extends SSLSocketFactory {
		final SSLSocketFactory of;
		final String[] suites;

		OneSuite(SSLSocketFactory of, String suite) {
			this.of = of;
			suites = new String[] {suite};
		}

		Socket narrow(Socket s) {
			((SSLSocket)s).setEnabledCipherSuites(suites);
			((SSLSocket)s).setEnabledProtocols(new String[] {"TLSv1.2"});
			return s;
		}

		public String[] getDefaultCipherSuites() { return suites; }
		public String[] getSupportedCipherSuites() { return suites; }
		public Socket createSocket() throws IOException { return narrow(of.createSocket()); }
		public Socket createSocket(Socket s, String host, int port, boolean close) throws IOException {
			return narrow(of.createSocket(s, host, port, close));
		}
		public Socket createSocket(String host, int port) throws IOException {
			return narrow(of.createSocket(host, port));
		}
		public Socket createSocket(String host, int port, InetAddress a, int p) throws IOException {
			return narrow(of.createSocket(host, port, a, p));
		}
		public Socket createSocket(InetAddress host, int port) throws IOException {
			return narrow(of.createSocket(host, port));
		}
		public Socket createSocket(InetAddress host, int port, InetAddress a, int p) throws IOException {
			return narrow(of.createSocket(host, port, a, p));
		}
	}

	static String get(String url, SSLSocketFactory factory) throws IOException {
		HttpsURLConnection c = (HttpsURLConnection)new URL(url).openConnection();

		c.setSSLSocketFactory(factory);
		c.setReadTimeout(10000);
		c.setRequestProperty("Connection", "close");
		String page = new String(c.getInputStream().readAllBytes());
		if (!page.startsWith("hello from web server"))
			throw new IOException("not the page: " + page);
		return c.getCipherSuite();
	}

	public static void main(String[] a) throws Exception {
		KeyStore ks = KeyStore.getInstance(KeyStore.getDefaultType());
		TrustManagerFactory trust =
			TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		SSLContext context = SSLContext.getInstance("TLS");

		ks.load(null);
		ks.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
			.generateCertificate(new FileInputStream(a[1])));
		trust.init(ks);
		context.init(null, trust.getTrustManagers(), null);
		SSLSocketFactory plain = context.getSocketFactory();
		System.out.println("any " + get(a[0], plain));
		for (String suite : Arrays.copyOfRange(a, 2, a.length)) {
			if (!Arrays.asList(plain.getDefaultCipherSuites()).contains(suite)) {
				System.out.println(suite + " -");
				continue;
			}
			System.out.println(suite + " " + get(a[0], new OneSuite(plain, suite)));
		}
	}
}
