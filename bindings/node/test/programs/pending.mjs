// Comes to its end with a call pending, which must be waited for.
import { Provider } from 'svidex';

const provider = new Provider(JSON.parse(process.argv[2]));
provider.getToken().then(() => console.log('settled'));
console.log('pending');
